import { type Arena, defineKernel, type Gpu, gridFor, type Recorder } from '../core/index.ts';
import { grownIntersections, guessedIntersections } from './intersection-capacity.ts';
import { ParameterGradients } from './parameter-gradients.ts';
import { Rasterizer } from './rasterizer.ts';
import { bytesPerIntersection, RasterizerBackward } from './rasterizer-backward.ts';
import type { Gaussians } from './renderer.ts';
import { type PinholeCamera, RASTER_COUNTER_WORDS, RASTER_COUNTERS } from './types.ts';

const GROUP = 256;
const INTERSECTIONS_PER_GAUSSIAN = 4;

export const ADD_CONTRIBUTIONS = defineKernel({
  label: 'splat/add-contributions',
  constants: { GROUP },
  variants: { portable: { source: new URL('./add-contributions.wgsl', import.meta.url) } },
});

/**
 * What each Gaussian contributes to these views: its blending weight α·T, summed over their pixels, in the order of the views. f32 [N],
 * in pixels; 0 where it is never seen. The caller owns the buffer. It is the gradient of a picture of grey Gaussians, so that the
 * backward pass of training computes it, with its order of sums.
 *
 * @throws GpuError when a view has more intersections than the adapter can hold.
 */
export async function contributionsOf(
  gpu: Gpu,
  gaussians: Gaussians,
  cameras: readonly PinholeCamera[],
): Promise<GPUBuffer> {
  const rows = Math.max(1, gaussians.count);
  const results = gpu.arena('contributions');
  const contributions = results.buffer('total', 4 * rows);
  let intersections = guessedIntersections(
    gpu,
    INTERSECTIONS_PER_GAUSSIAN * gaussians.count,
    bytesPerIntersection(gpu),
  );
  try {
    for (let next = 0; next < cameras.length; ) {
      const arena = gpu.arena('contributions/view');
      try {
        const pass = await createPass(arena, { gaussians, cameras, contributions, intersections });
        while (next < cameras.length) {
          const needed = await pass(cameras[next]);
          if (needed) {
            const bytes = bytesPerIntersection(gpu);
            intersections = grownIntersections(gpu, needed, bytes, cameras[next]);
            break;
          }
          next++;
        }
      } finally {
        arena.destroy();
      }
    }
    return contributions;
  } catch (error) {
    results.destroy();
    throw error;
  }
}

interface PassOptions {
  gaussians: Gaussians;
  cameras: readonly PinholeCamera[];
  contributions: GPUBuffer;
  intersections: number;
}

/** Adds a view. Gives the number of its intersections, and adds nothing, if they exceed the buffers. */
async function createPass(
  arena: Arena,
  { gaussians, cameras, contributions, intersections }: PassOptions,
): Promise<(camera: PinholeCamera) => Promise<number | undefined>> {
  const { gpu } = arena;
  const rows = Math.max(1, gaussians.count);
  const width = Math.max(...cameras.map((camera) => camera.width));
  const height = Math.max(...cameras.map((camera) => camera.height));
  const gaussianCount = arena.upload('gaussianCount', new Uint32Array([gaussians.count]), 'parameters');
  const rasterizer = await Rasterizer.create(gpu, arena, {
    label: 'rasterizer',
    // SH of 0 is grey, which no clamp of colours touches.
    gaussians: { ...gaussians, sh: arena.buffer('grey', 12 * rows) },
    gaussianCount,
    rows,
    shDegree: 0,
    antialias: gaussians.antialias ?? false,
    width,
    height,
    intersections,
  });
  const backward = await RasterizerBackward.create(gpu, arena, rasterizer);
  const gradients = await ParameterGradients.create(gpu, arena, rasterizer, backward);
  const reds = new Float32Array(4 * width * height);
  for (let i = 0; i < reds.length; i += 4) reds[i] = 1;
  gpu.write(backward.gradImage, reds, 'parameters');
  const kernel = await gpu.kernel(ADD_CONTRIBUTIONS);
  const add = kernel.bind({ gaussianCount, gradSh: gradients.gradients.sh, contributions });
  const record = (recorder: Recorder) => {
    rasterizer.record(recorder);
    backward.record(recorder);
    gradients.record(recorder);
    recorder.run(add, gridFor(rows, GROUP));
  };
  return async (camera) => {
    rasterizer.setView(camera, {});
    gpu.run('contributions', record);
    const counters = await gpu.readWords(rasterizer.rasterCounters, 'metrics', RASTER_COUNTER_WORDS);
    return counters[RASTER_COUNTERS.FAILED] ? counters[RASTER_COUNTERS.NEEDED] : undefined;
  };
}
