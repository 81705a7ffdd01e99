import { Gpu, openGpu } from '../../wgsl/core/index.ts';

/**
 * WGSL with subgroup matrices rewritten for adapters without them, so that the kernels are tested everywhere. An f16 matrix is the place
 * that it was loaded from, read when it is multiplied; an f32 matrix is spread over the invocations of a subgroup. Bounds of loops are
 * variables, because software Vulkan compiles unrolled loops for minutes.
 */
export function emulateMatrices(code: string): string {
  const sources: string[] = [];
  const targets = new Set<string>();
  const body = code
    .replace(/^enable chromium_experimental_subgroup_matrix;$/m, '')
    .replace(/subgroup_matrix_(left|right)<f16, 16, 16>/g, 'EmulatedHalf')
    .replace(/subgroup_matrix_result<f32, 16, 16>/g, 'EmulatedSum')
    .replace(
      /subgroupMatrixLoad<\w+, (row|col)_major>\(&(\w+), (.*?), 16u\)/g,
      (_, major: string, name: string, at: string) => {
        if (!sources.includes(name)) sources.push(name);
        return `EmulatedHalf(${sources.indexOf(name)}u, ${at}, ${major === 'col'})`;
      },
    )
    .replace(
      /subgroupMatrixStore<row_major>\(&(\w+), (.*?), (\w+), 16u\)/g,
      (_, name: string, at: string, m: string) => {
        targets.add(name);
        return `emulatedStore_${name}(${at}, ${m})`;
      },
    )
    .replaceAll('subgroupMatrixMultiplyAccumulate(', 'emulatedMultiply(')
    .replace(
      /(fn main\([^{]*\{)/,
      '$1 emulatedLane = lane; emulatedDepth = select(0u, 16u, lane < 1000u); emulatedPlaces = emulatedDepth * 16u / SUBGROUP;',
    );
  if (!sources.length) return code;
  const reads = sources.map((name, i) => `    case ${i}u: { return f32(${name}[at]); }`);
  const stores = [...targets].map(
    (name) => `fn emulatedStore_${name}(at: u32, m: EmulatedSum) {
  var sum = m;
  for (var p = 0u; p < emulatedPlaces; p++) { ${name}[at + p * SUBGROUP + emulatedLane] = sum.values[p]; }
}`,
  );
  return `${body}
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
