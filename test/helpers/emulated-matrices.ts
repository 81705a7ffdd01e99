import { Gpu, openGpu } from '../../wgsl/core/index.ts';

/**
 * WGSL with subgroup matrices rewritten for adapters without them, so that their kernels' arithmetic is tested everywhere: every
 * invocation holds and multiplies whole matrices of 16 × 16.
 */
export function emulateMatrices(code: string): string {
  const loads = new Map<string, string>();
  const body = code
    .replace(/^enable chromium_experimental_subgroup_matrix;$/m, '')
    .replace(/subgroup_matrix_(left|right)<f16, 16, 16>/g, 'EmulatedHalf')
    .replace(/subgroup_matrix_result<f32, 16, 16>/g, 'EmulatedSingle')
    // Software Vulkan keeps the value of a variable without an initialiser from one iteration of a loop to the next.
    .replace(/var (\w+): Sum;/g, 'var $1 = EmulatedSingle();')
    .replace(/var (\w+): (Left|Right);/g, 'var $1 = EmulatedHalf();')
    .replace(/subgroupMatrixLoad<\w+>\(&(\w+), (.*?), false, 16u\)/g, (_, name: string, at: string) => {
      loads.set(
        name,
        `fn emulatedLoad_${name}(at: u32) -> EmulatedHalf {
  var m = EmulatedHalf();
  for (var i = 0u; i < 256u; i++) { m.values[i] = ${name}[at + i]; }
  return m;
}`,
      );
      return `emulatedLoad_${name}(${at})`;
    })
    .replace(
      /subgroupMatrixStore\(&(\w+), (.*?), (\w+), false, 16u\)/g,
      (_, name: string, at: string, m: string) => {
        loads.set(
          `store ${name}`,
          `fn emulatedStore_${name}(at: u32, m: EmulatedSingle) {
  for (var i = 0u; i < 256u; i++) { ${name}[at + i] = m.values[i]; }
}`,
        );
        return `emulatedStore_${name}(${at}, ${m})`;
      },
    )
    .replaceAll('subgroupMatrixMultiplyAccumulate(', 'emulatedMultiply(');
  if (body === code) return code;
  return `${body}
struct EmulatedHalf { values: array<f16, 256> }
struct EmulatedSingle { values: array<f32, 256> }
fn emulatedMultiply(a: EmulatedHalf, b: EmulatedHalf, c: EmulatedSingle) -> EmulatedSingle {
  var left = a;
  var right = b;
  var sum = c;
  for (var i = 0u; i < 256u; i++) {
    for (var k = 0u; k < 16u; k++) {
      sum.values[i] += f32(left.values[i / 16u * 16u + k]) * f32(right.values[k * 16u + i % 16u]);
    }
  }
  return sum;
}
${[...loads.values()].join('\n')}
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
