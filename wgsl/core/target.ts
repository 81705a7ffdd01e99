/**
 * Which variant of a kernel runs. `subgroup`: GPUs with subgroups of one size. `cpu`: CPUs behind a software driver, whose
 * subgroups are vectors. `portable`: every adapter; needs no optional feature. `openGpu` chooses one for the device.
 */
export const KERNEL_TARGETS = ['subgroup', 'portable', 'cpu'] as const;
/** `subgroup`, `portable` or `cpu`: see `KERNEL_TARGETS`. */
export type KernelTarget = (typeof KERNEL_TARGETS)[number];

/** Subgroup sizes that the variants support. Tables of several kernels have a bit or a row for each lane. */
const SIZES: Readonly<Record<KernelTarget, readonly number[]>> = {
  subgroup: [4, 8, 16, 32],
  portable: [],
  cpu: [4, 8, 16],
};

/**
 * How a kernel determines the number of its subgroup. `builtin`: WGSL's `subgroup_id`. `linear`: invocation i of a workgroup is lane
 * i % size of subgroup ⌊i / size⌋, which WGSL does not promise: `probeLinearSubgroups` checks it.
 */
export type SubgroupNumbering = 'builtin' | 'linear';

/** Invocations of every subgroup where the adapter has subgroups of one size, otherwise 0. */
export function subgroupSize(adapter: { subgroupMinSize: number; subgroupMaxSize: number }): number {
  return adapter.subgroupMinSize === adapter.subgroupMaxSize ? adapter.subgroupMaxSize : 0;
}

/** Whether an adapter with such subgroups, 0 for none, runs the variants of a target. */
export function supportsTarget(target: KernelTarget, subgroup: number): boolean {
  return target === 'portable' || SIZES[target].includes(subgroup);
}

/** The target that is fast on an adapter with such subgroups, 0 for none. */
export function targetFor({ software }: { software: boolean }, subgroup: number): KernelTarget {
  const wanted = software ? 'cpu' : 'subgroup';
  return supportsTarget(wanted, subgroup) ? wanted : 'portable';
}

/** The feature of a device that multiplies small matrices on tensor cores, which WebGPU's types do not know yet. */
export const SUBGROUP_MATRIX = 'chromium-experimental-subgroup-matrix' as GPUFeatureName;

/** Bytes of workgroup memory that the kernels on tensor cores need. */
const MATRIX_WORKGROUP_BYTES = 36864;
/** Maximum number of subgroups in their workgroups. */
export const MAX_MATRIX_SUBGROUPS = 16;

interface MatrixConfig {
  componentType: string;
  resultComponentType: string;
  M: number;
  N: number;
  K: number;
}

/** Whether a device with subgroups of this size multiplies f16 matrices of 16 × 16 with f32 sums, as the kernels in wgsl/transformer do. */
export function hasSubgroupMatrices(device: GPUDevice, info: GPUAdapterInfo, subgroup: number): boolean {
  const { features, limits } = device;
  if (!features.has(SUBGROUP_MATRIX) || !features.has('shader-f16')) return false;
  if (limits.maxComputeWorkgroupStorageSize < MATRIX_WORKGROUP_BYTES) return false;
  const invocations = MAX_MATRIX_SUBGROUPS * subgroup;
  if (limits.maxComputeInvocationsPerWorkgroup < invocations) return false;
  if (limits.maxComputeWorkgroupSizeX < invocations) return false;
  const { subgroupMatrixConfigs = [] } = info as { subgroupMatrixConfigs?: Iterable<MatrixConfig> };
  return [...subgroupMatrixConfigs].some(
    ({ componentType, resultComponentType, M, N, K }) =>
      componentType === 'f16' && resultComponentType === 'f32' && M === 16 && N === 16 && K === 16,
  );
}

/** Invocations of the probe's workgroup: at least two subgroups of every supported size. */
const PROBED = 128;

/** Runs one workgroup and returns whether its subgroups of `size` invocations are numbered linearly. Waits for the GPU. */
export async function probeLinearSubgroups(device: GPUDevice, size: number): Promise<boolean> {
  const code = `enable subgroups;
@group(0) @binding(0) var<storage, read_write> linear: array<u32>;
@compute @workgroup_size(${PROBED})
fn main(
  @builtin(local_invocation_index) thread: u32,
  @builtin(subgroup_invocation_id) lane: u32,
  @builtin(subgroup_size) size: u32,
) {
  let first = subgroupBroadcastFirst(thread);
  linear[thread] = u32(size == ${size}u && lane == thread % ${size}u && first == thread - lane);
}`;
  const label = 'core/probe-subgroups';
  const found = device.createBuffer({
    label,
    size: 4 * PROBED,
    usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC,
  });
  const staging = device.createBuffer({
    label,
    size: 4 * PROBED,
    usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ,
  });
  try {
    const module = device.createShaderModule({ label, code });
    const pipeline = await device.createComputePipelineAsync({ label, layout: 'auto', compute: { module } });
    const layout = pipeline.getBindGroupLayout(0);
    const group = device.createBindGroup({
      label,
      layout,
      entries: [{ binding: 0, resource: { buffer: found } }],
    });
    const encoder = device.createCommandEncoder({ label });
    const pass = encoder.beginComputePass({ label });
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(1);
    pass.end();
    encoder.copyBufferToBuffer(found, 0, staging, 0, 4 * PROBED);
    device.queue.submit([encoder.finish()]);
    await staging.mapAsync(GPUMapMode.READ);
    return new Uint32Array(staging.getMappedRange()).every((is) => is === 1);
  } finally {
    found.destroy();
    staging.destroy();
  }
}
