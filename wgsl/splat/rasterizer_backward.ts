import { type Arena, type BoundKernel, type Gpu, gridFor, type Recorder } from '../core/index.ts';
import type { Rasterizer } from './rasterizer.ts';
import type { SplatBuffers } from './types.ts';

const SIZE = 256;
const MAX_GROUPS = 2048;
/** Floats that each (tile, splat) pair leaves for its Gaussian. */
const MOMENTS = 9;
/** What a pair takes in the widest buffer. */
export const BYTES_PER_PAIR = 4 * MOMENTS;

/**
 * The rasteriser's backward pass: from an image gradient to the gradients of all raw parameters, in a fixed order of sums.
 * `record` after the same view's forward pass. Gradients of rows beyond the count are left as they were.
 */
export class RasterizerBackward {
  /** f32 [H,W,4]: dL/dr, dL/dg, dL/db, dL/dalpha; the caller fills it. */
  readonly imageGradient: GPUBuffer;
  /** dL/d of means, logScales, quats (un-normalised), opacityLogits, sh: the shapes of the parameters. */
  readonly gradients: SplatBuffers;
  /** f32 [N,2]: ‖dL/d(mean in pixels)·size/2‖ and radius ÷ longest side; 0 where invisible. */
  readonly screen: GPUBuffer;
  readonly #blend: BoundKernel;
  readonly #project: BoundKernel;
  readonly #tiles: readonly [number, number, number];
  readonly #rows: readonly [number, number, number];

  private constructor(
    outputs: Pick<RasterizerBackward, 'imageGradient' | 'gradients' | 'screen'>,
    blend: BoundKernel,
    project: BoundKernel,
    tiles: number,
    rows: number,
  ) {
    this.imageGradient = outputs.imageGradient;
    this.gradients = outputs.gradients;
    this.screen = outputs.screen;
    this.#blend = blend;
    this.#project = project;
    this.#tiles = gridFor(tiles, 1);
    this.#rows = gridFor(Math.min(rows, SIZE * MAX_GROUPS), SIZE);
  }

  /** `screen`: the caller's buffer for the statistics, f32 [rows, 2]; one of its own unless given. */
  static async create(
    gpu: Gpu,
    arena: Arena,
    forward: Rasterizer,
    given: { screen?: GPUBuffer } = {},
  ): Promise<RasterizerBackward> {
    const { label, splat, counts, rows, shDegree, width, height, intersections, tile } = forward.options;
    const buffer = (role: string, bytes: number) => arena.buffer(`${label}/${role}`, bytes);
    const [blend, project] = await Promise.all([
      gpu.kernel({
        label: 'splat/rasterize_backward',
        source: new URL('./rasterize_backward.wgsl', import.meta.url),
        // The table takes 9 bytes a pixel and splat of the chunk: 16 KiB holds every adapter.
        constants: { TILE: tile, CHUNK: tile >= 16 ? 6 : 24 },
      }),
      gpu.kernel({
        label: 'splat/project_backward',
        source: new URL('./project_backward.wgsl', import.meta.url),
        constants: { SIZE, SH_DEGREE: shDegree },
      }),
    ]);
    const moments = buffer('moments', BYTES_PER_PAIR * intersections);
    const imageGradient = buffer('image_gradient', 16 * width * height);
    const screen = given.screen ?? buffer('screen', 8 * rows);
    const gradients = {
      means: buffer('gradients/means', 12 * rows),
      logScales: buffer('gradients/logScales', 12 * rows),
      quats: buffer('gradients/quats', 16 * rows),
      opacityLogits: buffer('gradients/opacityLogits', 4 * rows),
      sh: buffer('gradients/sh', 12 * (shDegree + 1) ** 2 * rows),
    };
    const { view, splats, tileCounts, tileStarts, sortedPairs, transmittance, looked } = forward.internals;
    const { gaussianFromPair, pairFromGaussian } = forward.internals;
    return new RasterizerBackward(
      { imageGradient, gradients, screen },
      blend.bind({
        view,
        tileStarts,
        sortedPairs,
        gaussian_from_pair: gaussianFromPair,
        splats,
        transmittance,
        looked,
        gradient: imageGradient,
        moments,
      }),
      project.bind({
        view,
        counts,
        means: splat.means,
        logScales: splat.logScales,
        quats: splat.quats,
        sh: splat.sh,
        splats,
        tileCounts,
        pair_from_gaussian: pairFromGaussian,
        moments,
        gradMeans: gradients.means,
        gradLogScales: gradients.logScales,
        gradQuats: gradients.quats,
        gradOpacityLogits: gradients.opacityLogits,
        gradSh: gradients.sh,
        screen,
      }),
      Math.ceil(width / tile) * Math.ceil(height / tile),
      rows,
    );
  }

  record(recorder: Recorder): void {
    recorder.run(this.#blend, this.#tiles).run(this.#project, this.#rows);
  }
}
