import type { Arena, Gpu, Recorder } from '../core/index.ts';
import { grownIntersections, guessedIntersections } from './intersection-capacity.ts';
import { Rasterizer } from './rasterizer.ts';
import type { GaussianBuffers, PinholeCamera, ViewOptions } from './types.ts';
import { RASTER_COUNTER_WORDS, RASTER_COUNTERS } from './types.ts';

/** Destination of a picture: buffers of the caller, at least as large as the view. */
export interface RenderTarget {
  /** f32 [H,W,4]: rgb unclamped with background, and alpha. */
  color: GPUBuffer;
  /** f32 [H,W]: alpha-weighted mean camera z; 0 where alpha is 0. */
  depth?: GPUBuffer;
}

const INTERSECTIONS_PER_GAUSSIAN = 4;
/** Each of the rasteriser's buffers takes a word per intersection. */
const BYTES_PER_INTERSECTION = 4;

/** A splat: its buffers, the number of its Gaussians, the degree of its SH, and whether it was trained with `antialias`. */
export type Gaussians = GaussianBuffers & { count: number; shDegree: number; antialias?: boolean };

/**
 * Renders pictures for frames and scores. It sizes its own buffers; when a view has more intersections than they hold, it grows them
 * and renders again. Several pictures may be in flight: only `render`'s promise waits for the GPU.
 */
export class SplatRenderer {
  readonly #gpu: Gpu;
  readonly #label: string;
  #arena?: Arena;
  #rasterizer?: Rasterizer;
  #gaussianCount?: GPUBuffer;
  #gaussians?: Gaussians;
  /** One picture at a time may replace the buffers; submissions of others are ordered before or after it. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(gpu: Gpu, label: string) {
    this.#gpu = gpu;
    this.#label = label;
  }

  /** `label` is the prefix of the buffers' labels. The first picture allocates the buffers. */
  static async create(gpu: Gpu, label: string): Promise<SplatRenderer> {
    return new SplatRenderer(gpu, label);
  }

  /**
   * Renders a picture; resolves when it is complete in `target`. Pictures are submitted in the order of the calls. `behind` records
   * work on the picture in the same submission, and again if the picture is rendered again: pictures in flight may share a target
   * whose contents `behind` reads.
   *
   * @throws GpuError when the view has more intersections than the adapter can hold, or when the device reports an error.
   */
  async render(
    gaussians: Gaussians,
    camera: PinholeCamera,
    target: RenderTarget,
    options: ViewOptions = {},
    behind?: (recorder: Recorder) => void,
  ): Promise<void> {
    let tooSmall: { rasterizer: Rasterizer; needed: number } | undefined;
    for (;;) {
      const { rasterizer, answer } = await this.#inTurn(async () => {
        // Another picture may have grown the buffers meanwhile.
        if (tooSmall && tooSmall.rasterizer === this.#rasterizer) {
          const intersections = grownIntersections(
            this.#gpu,
            tooSmall.needed,
            BYTES_PER_INTERSECTION,
            camera,
          );
          await this.#build(gaussians, tooSmall.rasterizer.options, intersections);
        }
        await this.#prepare(gaussians, camera);
        return this.#submit(camera, target, options, behind);
      });
      const counters = await answer;
      if (!counters[RASTER_COUNTERS.FAILED]) return;
      tooSmall = { rasterizer, needed: counters[RASTER_COUNTERS.NEEDED] };
    }
  }

  #submit(
    camera: PinholeCamera,
    target: RenderTarget,
    options: ViewOptions,
    behind?: (recorder: Recorder) => void,
  ): { rasterizer: Rasterizer; answer: Promise<Uint32Array> } {
    const rasterizer = this.#rasterizer!;
    rasterizer.setView(camera, options);
    const pixels = camera.width * camera.height;
    this.#gpu.run(`${this.#label}/render`, (recorder) => {
      rasterizer.record(recorder);
      recorder.copy(rasterizer.color, target.color, 16 * pixels);
      if (target.depth) recorder.copy(rasterizer.depth, target.depth, 4 * pixels);
      behind?.(recorder);
    });
    const answer = this.#gpu.readWords(rasterizer.rasterCounters, 'metrics', RASTER_COUNTER_WORDS);
    // The caller awaits this promise; until then a rejection must not count as unhandled.
    answer.catch(() => {});
    return { rasterizer, answer };
  }

  #inTurn<T>(body: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(body);
    this.#turn = result.catch(() => {});
    return result;
  }

  /** Frees its buffers, not those of the caller. A later `render` allocates new ones. */
  destroy(): void {
    this.#arena?.destroy();
    this.#arena = this.#rasterizer = this.#gaussians = undefined;
  }

  async #prepare(gaussians: Gaussians, camera: PinholeCamera): Promise<void> {
    const now = this.#rasterizer?.options;
    const same =
      this.#gaussians &&
      (
        ['means', 'logScales', 'quats', 'opacityLogits', 'sh', 'count', 'shDegree', 'antialias'] as const
      ).every((name) => this.#gaussians![name] === gaussians[name]);
    if (same && now && camera.width <= now.width && camera.height <= now.height) return;
    const width = Math.max(camera.width, now?.width ?? 0);
    const height = Math.max(camera.height, now?.height ?? 0);
    const guess = now?.intersections ?? INTERSECTIONS_PER_GAUSSIAN * gaussians.count;
    await this.#build(
      gaussians,
      { width, height },
      guessedIntersections(this.#gpu, guess, BYTES_PER_INTERSECTION),
    );
  }

  async #build(
    gaussians: Gaussians,
    size: { width: number; height: number },
    intersections: number,
  ): Promise<void> {
    await this.#gpu.settle();
    // No picture may use freed buffers, even if the allocation of new ones fails.
    this.destroy();
    const arena = (this.#arena = this.#gpu.arena(this.#label));
    this.#gaussianCount = arena.upload('gaussianCount', new Uint32Array([gaussians.count]), 'parameters');
    this.#rasterizer = await Rasterizer.create(this.#gpu, arena, {
      label: 'rasterizer',
      gaussians,
      gaussianCount: this.#gaussianCount,
      rows: Math.max(1, gaussians.count),
      shDegree: gaussians.shDegree,
      antialias: gaussians.antialias ?? false,
      width: size.width,
      height: size.height,
      intersections,
      depth: true,
      backward: false,
    });
    this.#gaussians = gaussians;
  }
}
