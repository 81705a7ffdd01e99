import { type Arena, type Gpu, Readback, type ReadbackSlot, type Recorder } from '../../wgsl/core/index.ts';
import { grownIntersections, guessedIntersections } from '../../wgsl/splat/intersection-capacity.ts';
import { Rasterizer } from '../../wgsl/splat/rasterizer.ts';
import { bytesPerIntersection, RasterizerBackward } from '../../wgsl/splat/rasterizer-backward.ts';
import { RASTER_COUNTER_WORDS, RASTER_COUNTERS } from '../../wgsl/splat/types.ts';
import { SplatAdam } from '../../wgsl/splat/update/splat-adam.ts';
import type { Vec3 } from '../artefacts/camera.ts';
import type { View } from '../artefacts/dataset.ts';
import type { GaussianParameter } from '../artefacts/gaussians.ts';
import type { Objective, ObjectiveFactory, ObjectiveMetrics, Picture } from './objectives.ts';
import type { PoseEngine, ViewPoses } from './poses.ts';
import { setCount, type TrainingState } from './state.ts';
import { SubmissionThrottle } from './submission-throttle.ts';

/** Adam's learning rate of each parameter; for sh of band 0 and of the higher bands. */
export type Rates = Partial<Record<Exclude<GaussianParameter, 'sh'>, number>> & {
  sh?: readonly [number, number];
};

export interface OptimizerOptions {
  label: string;
  /** The largest view. */
  width: number;
  height: number;
  objectives: readonly ObjectiveFactory[];
  /** First guess of (tile, Gaussian) intersections; default: from the state's rows. Affects speed only. */
  intersections?: number;
  /** The parameters that Adam trains; all others stay bit-identical. */
  train: readonly GaussianParameter[];
  /** Weights of mean(sigmoid(opacityLogits)) and of mean(exp(logScales)) in the loss; 0 by default. */
  regularizers?: { readonly opacity: number; readonly scale: number };
  /** Trains the poses of the views too; `train` has more than SH then. */
  poses?: ViewPoses;
}

/** The view and the learning rates of one step. */
export interface Step {
  step: number;
  view: View;
  background: Vec3;
  shDegree: number;
  rates: Rates;
  /** See `ViewOptions`. */
  dropout?: { share: number; seed: number };
}

/** Samples of the metrics that may be in flight at once. */
const METRIC_SLOTS = 3;
/** First guess of (tile, Gaussian) intersections per Gaussian. */
const INTERSECTIONS_PER_GAUSSIAN = 2;
/** Capacity relative to the largest view: after sizing the buffers, and the minimum that is left unchanged. */
const HEADROOM = 1.25;
const MIN_HEADROOM = 1.1;

/** A step that had no effect because its view exceeded the intersection buffers. */
export interface Overflow {
  step: number;
  /** Intersections of the view, and the capacity of the buffers. */
  needed: number;
  capacity: number;
}

/** Optimises a splat; see README.md beside this file. */
export class SplatOptimizer {
  readonly #gpu: Gpu;
  readonly #state: TrainingState;
  readonly #options: OptimizerOptions;
  readonly #arena: Arena;
  #engine!: Engine;
  #capacity: number;
  /** Intersections of each view when the buffers were last sized, relative to the largest. */
  #shares?: ReadonlyMap<View, number>;
  /** Intersections of the largest view, counted or estimated when the splat had `count` Gaussians. */
  #largest = { count: 0, intersections: 0 };
  #lastView?: View;
  readonly #throttle: SubmissionThrottle;
  #readback?: Readback;
  /** What the metrics of a submitted step showed: the next step throws it. */
  #fault?: unknown;
  /** The latest metrics that arrived, for the progress line; after `settle`, those of the last step. */
  metrics: Record<string, number> = {};
  /** Steps that were submitted, and their number when `settle` last read the metrics. */
  #submitted = 0;
  #settled = 0;

  private constructor(state: TrainingState, options: OptimizerOptions) {
    this.#gpu = state.gpu;
    this.#state = state;
    this.#options = options;
    this.#arena = state.gpu.arena(`${options.label}/optimizer`);
    this.#throttle = new SubmissionThrottle(state.gpu);
    this.#capacity =
      options.intersections ??
      guessedIntersections(
        this.#gpu,
        INTERSECTIONS_PER_GAUSSIAN * state.capacity,
        bytesPerIntersection(this.#gpu),
      );
  }

  get gpu(): Gpu {
    return this.#gpu;
  }

  get state(): TrainingState {
    return this.#state;
  }

  get label(): string {
    return this.#options.label;
  }

  static async create(state: TrainingState, options: OptimizerOptions): Promise<SplatOptimizer> {
    const optimizer = new SplatOptimizer(state, options);
    try {
      await optimizer.#build();
      // Reports a lack of memory here instead of some steps later.
      await state.gpu.settle();
    } catch (error) {
      optimizer.destroy();
      throw error;
    }
    return optimizer;
  }

  /**
   * Submits one step. Waits only to stay a few steps ahead of the GPU (`SubmissionThrottle`). `afterStep` records work after
   * Adam in the same submission.
   * @throws InputError when an objective found that an earlier step failed.
   */
  async step(step: Step, afterStep?: (recorder: Recorder) => void): Promise<void> {
    if (this.#fault) throw this.#fault;
    if (this.#engine.version !== this.#state.version) await this.#build();
    const { rasterizer, backward, objectives, picture, update, poses } = this.#engine;
    const { camera } = step.view;
    this.#lastView = step.view;
    rasterizer.setView(camera, {
      background: step.background,
      shDegree: step.shDegree,
      step: step.step,
      dropout: step.dropout,
    });
    update.setStep(step.step + 1, step.rates);
    poses?.prepare(step.step, step.view);
    for (const objective of objectives) objective.prepare(step.step, step.view, step.background);
    const sample = this.#gpu.run(`${this.#options.label}/step`, (recorder) => {
      poses?.recordView(recorder);
      rasterizer.record(recorder);
      if (!objectives[0]?.overwrites) {
        recorder.clear(picture.gradient, 0, 16 * camera.width * camera.height);
      }
      for (const objective of objectives) objective.record(recorder, step.view);
      backward.record(recorder);
      update.record(recorder, poses?.recordUpdate);
      afterStep?.(recorder);
      return this.#sample(recorder);
    });
    const submitted = ++this.#submitted;
    await this.#throttle.submitted();
    sample?.deliver(({ metrics }) => {
      if (submitted <= this.#settled) return; // those of a later step are known
      try {
        this.#readMetrics(new Float32Array(metrics.buffer, metrics.byteOffset, metrics.byteLength / 4));
      } catch (error) {
        this.#fault ??= error;
      }
    });
  }

  /**
   * Sizes the intersection buffers before the first step: counts the intersections of every view on the GPU and reads the
   * counts once. Bytes of results do not depend on it.
   */
  async sizeBuffers(views: readonly View[]): Promise<void> {
    if (this.#engine.version !== this.#state.version) await this.#build();
    const { rasterizer } = this.#engine;
    const arena = this.#gpu.arena(`${this.#options.label}/intersection-counts`);
    try {
      const results = arena.buffer('counts', 4 * views.length);
      for (const [i, { camera }] of views.entries()) {
        rasterizer.setView(camera);
        // A view that overflows sets the count on the GPU to 0.
        setCount(this.#state, this.#state.count);
        this.#gpu.run(`${this.#options.label}/count`, (recorder) => {
          rasterizer.recordCount(recorder);
          recorder.copy(rasterizer.rasterCounters, results, 4, 4 * RASTER_COUNTERS.WANTED, 4 * i);
        });
      }
      const counts = await this.#gpu.readWords(results, 'metrics', views.length);
      const largest = counts.reduce((maximum, count) => Math.max(maximum, count), 1);
      this.#shares = new Map(views.map((view, i) => [view, counts[i] / largest]));
      this.#largest = { count: this.#state.count, intersections: largest };
      setCount(this.#state, this.#state.count);
      if (MIN_HEADROOM * largest <= this.#capacity) return;
      this.#capacity = guessedIntersections(
        this.#gpu,
        Math.ceil(HEADROOM * largest),
        bytesPerIntersection(this.#gpu),
      );
      await this.#build();
    } finally {
      arena.destroy();
    }
  }

  /** After a refinement: sizes the buffers again if the largest view might exceed them. */
  async resizeBuffers(): Promise<void> {
    if (!this.#shares) return;
    const { count, intersections } = this.#largest;
    const growth = Math.max(1, this.#state.count / Math.max(1, count));
    if (growth * intersections > this.#capacity) await this.sizeBuffers([...this.#shares.keys()]);
  }

  /**
   * Waits for the submitted steps. Undefined if all were valid; otherwise the step that overflowed. The buffers are then
   * grown and the state is as it was before that step: resume there.
   * @throws InputError when an objective found that a step failed.
   */
  async settle(): Promise<Overflow | undefined> {
    const { rasterizer, gathered, status } = this.#engine;
    this.#gpu.run(`${this.#options.label}/status`, (recorder) => {
      recorder.copy(rasterizer.rasterCounters, status, 4 * RASTER_COUNTER_WORDS);
      recorder.copy(gathered, status, gathered.size, 0, 4 * RASTER_COUNTER_WORDS);
    });
    const words = await this.#gpu.readWords(status, 'metrics');
    const counters = words.subarray(0, RASTER_COUNTER_WORDS);
    this.#throttle.settled();
    if (!counters[RASTER_COUNTERS.FAILED]) {
      this.#readMetrics(new Float32Array(words.slice(RASTER_COUNTER_WORDS).buffer));
      this.#settled = this.#submitted;
      const share = this.#lastView && this.#shares?.get(this.#lastView);
      if (share) {
        const intersections = counters[RASTER_COUNTERS.WANTED] / share;
        this.#largest = { count: this.#state.count, intersections };
      }
      return undefined;
    }
    const overflow = {
      step: counters[RASTER_COUNTERS.FAILED] - 1,
      needed: counters[RASTER_COUNTERS.NEEDED],
      capacity: this.#capacity,
    };
    this.#capacity = grownIntersections(
      this.#gpu,
      overflow.needed,
      bytesPerIntersection(this.#gpu),
      this.#options,
    );
    setCount(this.#state, this.#state.count);
    await this.#build();
    return overflow;
  }

  destroy(): void {
    this.#readback?.destroy();
    this.#arena.destroy();
  }

  async #build(): Promise<void> {
    this.#arena.destroy();
    this.#readback?.destroy();
    this.#engine = await buildEngine(this.#arena, this.#state, this.#options, this.#capacity);
    const words = this.#engine.measured.reduce((sum, { words }) => sum + words, 0);
    this.#readback = words
      ? new Readback(this.#gpu, this.#options.label, { slots: METRIC_SLOTS, purpose: 'metrics' })
      : undefined;
  }

  /** Copies the objectives' metrics to the host, unless earlier copies occupy all slots. */
  #sample(recorder: Recorder): ReadbackSlot | undefined {
    const { measured, gathered } = this.#engine;
    let words = 0;
    for (const metrics of measured) {
      recorder.copy(metrics.buffer, gathered, 4 * metrics.words, 0, 4 * words);
      words += metrics.words;
    }
    return this.#readback?.record(recorder, { metrics: { buffer: gathered, bytes: 4 * words } });
  }

  /** @throws InputError when an objective finds that a step failed. */
  #readMetrics(words: Float32Array): void {
    let from = 0;
    for (const metrics of this.#engine.measured) {
      Object.assign(this.metrics, metrics.read(words.slice(from, from + metrics.words)));
      from += metrics.words;
    }
  }
}

interface Engine {
  version: number;
  rasterizer: Rasterizer;
  backward: RasterizerBackward;
  picture: Picture;
  objectives: Objective[];
  /** The metrics of the objectives, the buffer that gathers them after each step, and the one that `settle` reads. */
  measured: ObjectiveMetrics[];
  gathered: GPUBuffer;
  status: GPUBuffer;
  update: SplatAdam;
  poses?: PoseEngine;
}

async function buildEngine(
  arena: Arena,
  state: TrainingState,
  options: OptimizerOptions,
  intersections: number,
): Promise<Engine> {
  const { gpu, parameters, gaussianCount, capacity, shDegree, antialias, screen, version } = state;
  const { width, height } = options;
  const rasterizer = await Rasterizer.create(gpu, arena, {
    label: 'rasterizer',
    gaussians: parameters,
    gaussianCount,
    rows: capacity,
    shDegree,
    antialias,
    width,
    height,
    intersections,
  });
  const backward = await RasterizerBackward.create(gpu, arena, rasterizer);
  const picture = { width, height, color: rasterizer.color, gradient: backward.gradImage };
  const objectives = await Promise.all(options.objectives.map((make) => make(gpu, arena, picture)));
  if (objectives.slice(1).some(({ overwrites }) => overwrites)) {
    throw new Error(`${options.label}: only the first objective may overwrite the image gradient`);
  }
  const update = await SplatAdam.create(gpu, arena, rasterizer, backward, {
    label: 'adam',
    moments: state.moments,
    screen,
    train: options.train,
    regularizers: options.regularizers,
  });
  const poses = await options.poses?.engine(gpu, arena, rasterizer, update);
  const measured = objectives.flatMap(({ metrics }) => metrics).filter(({ words }) => words > 0);
  const words = measured.reduce((sum, metrics) => sum + metrics.words, 0);
  const gathered = arena.buffer('metrics', 4 * words);
  return {
    version,
    rasterizer,
    backward,
    picture,
    objectives,
    measured,
    gathered,
    status: arena.buffer('status', 4 * RASTER_COUNTER_WORDS + gathered.size),
    update,
    poses,
  };
}
