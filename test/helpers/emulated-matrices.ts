import { Gpu, openGpu } from '../../wgsl/core/index.ts';

/**
 * WGSL with subgroup matrices rewritten for adapters without them, so that the kernels are tested everywhere. An f16 matrix is the place
 * that it was loaded from, read when it is multiplied; an f32 matrix is spread over the invocations of a subgroup. A view of a `buffer` is the
 * place where it starts. Bounds of loops are variables, because software Vulkan compiles
 * unrolled loops for minutes.
 */
export function emulateMatrices(code: string): string {
  if (!code.includes('subgroupMatrixLoad')) return code;
  const buffers = [...code.matchAll(/var<\w+(?:, \w+)?> (\w+): buffer\b/g)].map(([, name]) => name);
  const sources: string[] = [];
  const targets = new Set<string>();
  const numberOf = (name: string) => {
    if (!sources.includes(name)) sources.push(name);
    return sources.indexOf(name);
  };
  const body = withoutDeadBranches(code)
    .replace(/^enable chromium_experimental_subgroup_matrix;$/m, '')
    .replace(/subgroup_matrix_(left|right)<f16, 16, 16>/g, 'EmulatedHalf')
    .replace(/subgroup_matrix_result<f32, 16, 16>/g, 'EmulatedSum')
    .replace(
      /= bufferView<array<f16, \w+>>\(&(\w+), (.*)\);/g,
      (_, name: string, byte: string) => `= EmulatedView(${numberOf(name)}u, (${byte}) / 2u);`,
    )
    // The one view that sums are stored to.
    .replace(/= bufferView<array<f32, \w+>>\(&(\w+), (.*)\);/g, (_, name: string, byte: string) => {
      targets.add(name);
      return `= EmulatedView(0u, (${byte}) / 4u);`;
    })
    .replace(
      /subgroupMatrixLoad<\w+, (row|col)_major>\((&?)(\w+), (.*?), 16u\)/g,
      (_, major: string, isArray: string, name: string, at: string) => {
        const [source, start] = isArray
          ? [`${numberOf(name)}u`, at]
          : [`${name}.source`, `${name}.start + ${at}`];
        return `EmulatedHalf(${source}, ${start}, ${major === 'col'})`;
      },
    )
    .replace(
      /subgroupMatrixStore<row_major>\((&?)(\w+), (.*?), (\w+), 16u\)/g,
      (_, isArray: string, name: string, at: string, m: string) => {
        if (!isArray) return `emulatedStore_${[...targets][0]}(${name}.start + ${at}, ${m})`;
        targets.add(name);
        return `emulatedStore_${name}(${at}, ${m})`;
      },
    )
    .replaceAll('subgroupMatrixMultiplyAccumulate(', 'emulatedMultiply(')
    .replace(
      /(fn main\([^{]*\{)/,
      '$1 emulatedLane = lane; emulatedDepth = select(0u, 16u, lane < 1000u); emulatedPlaces = emulatedDepth * 16u / SUBGROUP;',
    );
  const reads = sources.map((name, i) => {
    const place = buffers.includes(name)
      ? `(*bufferView<vec2<f16>>(&${name}, at / 2u * 4u))[at % 2u]`
      : `${name}[at]`;
    return `    case ${i}u: { return f32(${place}); }`;
  });
  const stores = [...targets].map((name) => {
    const place = buffers.includes(name) ? `*bufferView<f32>(&${name}, 4u * i)` : `${name}[i]`;
    return `fn emulatedStore_${name}(at: u32, m: EmulatedSum) {
  var sum = m;
  for (var p = 0u; p < emulatedPlaces; p++) { let i = at + p * SUBGROUP + emulatedLane; ${place} = sum.values[p]; }
}`;
  });
  return `${body}
struct EmulatedView { source: u32, start: u32 }
struct EmulatedHalf { source: u32, at: u32, isTransposed: bool }
struct EmulatedSum { values: array<f32, 256 / SUBGROUP> }
var<private> emulatedLane: u32;
var<private> emulatedDepth: u32;
var<private> emulatedPlaces: u32;
fn emulatedRead(m: EmulatedHalf, i: u32) -> f32 {
  let at = m.at + select(i, i % 16u * 16u + i / 16u, m.isTransposed);
  switch (m.source) {
${reads.join('\n')}
    default: { return 0.0; }
  }
}
fn emulatedMultiply(a: EmulatedHalf, b: EmulatedHalf, c: EmulatedSum) -> EmulatedSum {
  var sum = c;
  for (var p = 0u; p < emulatedPlaces; p++) {
    let i = p * SUBGROUP + emulatedLane;
    var value = sum.values[p];
    for (var k = 0u; k < emulatedDepth; k++) {
      value += emulatedRead(a, i / 16u * 16u + k) * emulatedRead(b, k * 16u + i % 16u);
    }
    sum.values[p] = value;
  }
  return sum;
}
${stores.join('\n')}
`;
}

/** WGSL without the branches that its constants rule out: software Vulkan compiles them for minutes. */
function withoutDeadBranches(code: string): string {
  const constants = new Map(
    [...code.matchAll(/^const (\w+) = (\w+);$/gm)].map(([, name, value]) => [name, value]),
  );
  let rest = code;
  let done = '';
  for (;;) {
    const found = /\bif \(((?:[A-Z_]+|\d+u|[<>=&| ])+)\) \{/.exec(rest);
    if (!found) return done + rest;
    const condition = found[1]
      .replace(/[A-Z_]+/g, (name) => constants.get(name) ?? 'unknown')
      .replace(/(\d+)u/g, '$1');
    const start = found.index + found[0].length;
    if (condition.includes('unknown')) {
      done += rest.slice(0, start);
      rest = rest.slice(start);
      continue;
    }
    const end = closingBrace(rest, start);
    const other = /^ else \{/.exec(rest.slice(end + 1));
    const otherEnd = other ? closingBrace(rest, end + 1 + other[0].length) : end;
    const holds = Boolean(new Function(`return ${condition}`)());
    const kept = holds
      ? rest.slice(start, end)
      : other
        ? rest.slice(end + 1 + other[0].length, otherEnd)
        : '';
    done += rest.slice(0, found.index);
    // A block keeps its scope.
    rest = `{${kept}}${rest.slice(otherEnd + 1)}`;
  }
}

/** The place of the brace that closes the block before `start`. */
function closingBrace(code: string, start: number): number {
  let depth = 1;
  for (let i = start; ; i++) {
    if (code[i] === '{') depth++;
    if (code[i] === '}' && --depth === 0) return i;
  }
}

/** A device whose kernels may use subgroup matrices: its own, or emulated ones. */
export async function openWithMatrices(): Promise<Gpu> {
  const gpu = await openGpu();
  if (gpu.hasMatrices) return gpu;
  const { device } = gpu;
  const createShaderModule = device.createShaderModule.bind(device);
  device.createShaderModule = (descriptor) =>
    createShaderModule({ ...descriptor, code: emulateMatrices(descriptor.code) });
  const { target, numbering, windowBytes } = gpu;
  return new Gpu(device, gpu.adapter, { target, numbering, windowBytes, hasMatrices: true });
}
