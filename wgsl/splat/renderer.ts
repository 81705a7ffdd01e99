import type { Arena, Gpu, Recorder } from '../core/index.ts';
import { COUNTER_WORDS, COUNTERS } from './counters.ts';
import { grownPairs, guessedPairs } from './pair-capacity.ts';
import { Rasterizer } from './rasterizer.ts';
import type { PinholeCamera, SplatBuffers, ViewOptions } from './types.ts';

/** Where a picture goes: buffers of the caller, at least as large as the view. */
export interface RenderTarget {
  /** f32 [H,W,4]: rgb unclamped with background, and alpha. */
  color: GPUBuffer;
  /** f32 [H,W]: alpha-weighted mean camera z; 0 where nothing was hit. */
  depth?: GPUBuffer;
}

const PAIRS_PER_ROW = 4;
/** Each of the rasteriser's buffers takes a word a pair. */
const BYTES_PER_PAIR = 4;

export type Splat = SplatBuffers & { count: number; shDegree: number };

/**
 * Renders pictures, for frames and scores: it sizes its own buffers, and grows them and renders again when a view has more
 * intersections than they hold. Pictures may be under way at once: `render` waits for an answer, the GPU for no caller.
 */
export class SplatRenderer {
  readonly #gpu: Gpu;
  readonly #label: string;
  #arena?: Arena;
  #rasterizer?: Rasterizer;
  #counts?: GPUBuffer;
  #splat?: Splat;
  /** Buffers are replaced by one picture at a time; the others' submissions come before or behind. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(gpu: Gpu, label: string) {
    this.#gpu = gpu;
    this.#label = label;
  }

  static async create(gpu: Gpu, label: string): Promise<SplatRenderer> {
    return new SplatRenderer(gpu, label);
  }

  /**
   * Renders a picture; resolves when it is complete in `target`. Pictures are submitted in the order of the calls. `behind` records
   * work on the picture within the same submission, and again where the picture had to be rendered again: so pictures that are
   * under way at once may share a target that `behind` empties.
   */
  async render(
    splat: Splat,
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
          const pairs = grownPairs(this.#gpu, tooSmall.needed, BYTES_PER_PAIR, camera);
          await this.#build(splat, tooSmall.rasterizer.options, pairs);
        }
        await this.#prepare(splat, camera);
        return this.#submit(camera, target, options, behind);
      });
      const counters = await answer;
      if (!counters[COUNTERS.FAILED]) return;
      tooSmall = { rasterizer, needed: counters[COUNTERS.NEEDED] };
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
    const answer = this.#gpu.readWords(rasterizer.counters, 'metrics', COUNTER_WORDS);
    // A failure surfaces where the answer is awaited; until then it is not unhandled.
    answer.catch(() => {});
    return { rasterizer, answer };
  }

  #inTurn<T>(body: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(body);
    this.#turn = result.catch(() => {});
    return result;
  }

  destroy(): void {
    this.#arena?.destroy();
    this.#arena = this.#rasterizer = this.#splat = undefined;
  }

  async #prepare(splat: Splat, camera: PinholeCamera): Promise<void> {
    const now = this.#rasterizer?.options;
    const same =
      this.#splat &&
      (['means', 'logScales', 'quats', 'opacityLogits', 'sh', 'count', 'shDegree'] as const).every(
        (name) => this.#splat![name] === splat[name],
      );
    if (same && now && camera.width <= now.width && camera.height <= now.height) return;
    const width = Math.max(camera.width, now?.width ?? 0);
    const height = Math.max(camera.height, now?.height ?? 0);
    const guess = now?.intersections ?? PAIRS_PER_ROW * splat.count;
    await this.#build(splat, { width, height }, guessedPairs(this.#gpu, guess, BYTES_PER_PAIR));
  }

  async #build(splat: Splat, size: { width: number; height: number }, intersections: number): Promise<void> {
    await this.#gpu.settle();
    // Nothing may draw with what is gone, also where the new is not to be had.
    this.destroy();
    const arena = (this.#arena = this.#gpu.arena(this.#label));
    this.#counts = arena.upload('counts', new Uint32Array([splat.count]), 'parameters');
    this.#rasterizer = await Rasterizer.create(this.#gpu, arena, {
      label: 'rasterizer',
      splat,
      counts: this.#counts,
      rows: Math.max(1, splat.count),
      shDegree: splat.shDegree,
      width: size.width,
      height: size.height,
      intersections,
      depth: true,
      backward: false,
    });
    this.#splat = splat;
  }
}
