import { type Arena, type Gpu, openGpu } from '../../wgsl/core/index.ts';

let shared: Promise<Gpu> | undefined;

/** The process's one test device. Tests run on a real adapter (software Vulkan will do) and fail without one. */
export function testGpu(): Promise<Gpu> {
  shared ??= openGpu();
  return shared;
}

/** A device whose kernels see so many bytes of a buffer of rows at a time; run the body with it, as `withGpu` does. */
export async function withWindows(
  windowBytes: number,
  body: (gpu: Gpu, arena: Arena) => Promise<void>,
): Promise<void> {
  const gpu = await openGpu({ windowBytes });
  try {
    await withGpu(body, gpu);
  } finally {
    gpu.close();
  }
}

/** Runs a test body with a device and an arena; fails on any validation error, and frees the arena's buffers. */
export async function withGpu(body: (gpu: Gpu, arena: Arena) => Promise<void>, given?: Gpu): Promise<void> {
  const gpu = given ?? (await testGpu());
  const arena = gpu.arena('test');
  gpu.device.pushErrorScope('validation');
  try {
    await body(gpu, arena);
  } finally {
    arena.destroy();
    const error = await gpu.device.popErrorScope();
    // biome-ignore lint/correctness/noUnsafeFinally: a validation error explains the body's failure, if it failed
    if (error) throw new Error(error.message);
  }
}
