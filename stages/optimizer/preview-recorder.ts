import { type Arena, Readback, type Recorder } from '../../wgsl/core/index.ts';
import { ToRgba8 } from '../../wgsl/image/to-rgba8.ts';
import { grownIntersections, guessedIntersections } from '../../wgsl/splat/intersection-capacity.ts';
import { Rasterizer } from '../../wgsl/splat/rasterizer.ts';
import { RASTER_COUNTER_WORDS, RASTER_COUNTERS } from '../../wgsl/splat/types.ts';
import type { Vec3 } from '../artefacts/camera.ts';
import type { Dataset, View } from '../artefacts/dataset.ts';
import type { Preview, Report } from '../stage.ts';
import type { TrainingState } from './state.ts';

/** First guess of (tile, Gaussian) intersections per Gaussian, and the bytes of each. */
const INTERSECTIONS_PER_GAUSSIAN = 4;
const BYTES_PER_INTERSECTION = 4;
/** The longest side of a picture, pixels. */
const SIDE = 960;
const QUALITY = 85;

/** Where a loop's pictures go, and the view that they show. */
export interface LoopPreview extends Preview {
  view: View;
}

/** The pictures of a stage: of the first held-out view or, without one, of the first view. */
export function previewOf(preview: Preview | undefined, { views }: Dataset): LoopPreview | undefined {
  const view = views.find(({ split }) => split === 'test') ?? views[0];
  return preview && view && { ...preview, view };
}

interface Engine {
  version: number;
  intersections: number;
  gaussianCount: GPUBuffer;
  rasterizer: Rasterizer;
  /** Records the conversion to rgba8, and the pixels. */
  convert: { record(recorder: Recorder): void; pixels: GPUBuffer };
}

/**
 * Renders a view of the splat while a loop trains it, and reads the picture without waiting. It reads the training state and writes
 * buffers of its own alone, so no byte of a result depends on it. One picture at a time; a view that overflows the buffers gives
 * none, and larger buffers for the next one.
 */
export class PreviewRecorder {
  readonly #state: TrainingState;
  readonly #preview: LoopPreview;
  readonly #report: Report;
  readonly #arena: Arena;
  readonly #readback: Readback;
  #engine?: Engine;
  #intersections: number;
  #dueAt = 0;
  #isBusy = false;
  #writing = Promise.resolve();

  constructor(state: TrainingState, label: string, preview: LoopPreview, report: Report) {
    this.#state = state;
    this.#preview = preview;
    this.#report = report;
    this.#arena = state.gpu.arena(`${label}/preview`);
    this.#readback = new Readback(state.gpu, `${label}/preview`, { slots: 1, purpose: 'frames' });
    this.#intersections = INTERSECTIONS_PER_GAUSSIAN * state.capacity;
  }

  /** Whether to take a picture. */
  get due(): boolean {
    return !this.#isBusy && performance.now() >= this.#dueAt;
  }

  /** Submits a picture of the state, which is valid. A failure is reported once, and no other picture is tried. */
  async take(options: { background: Vec3; shDegree: number }): Promise<void> {
    this.#isBusy = true;
    this.#dueAt = performance.now() + 1000 * this.#preview.seconds;
    try {
      await this.#submit(options);
    } catch (error) {
      this.#warn(error);
    }
  }

  async #submit({ background, shDegree }: { background: Vec3; shDegree: number }): Promise<void> {
    const { gpu, gaussianCount } = this.#state;
    const { view } = this.#preview;
    const engine = await this.#current();
    const { rasterizer, convert } = engine;
    rasterizer.setView(view.camera, { background, shDegree });
    const slot = gpu.run('preview', (recorder) => {
      recorder.copy(gaussianCount, engine.gaussianCount, 4); // a view that overflows sets it to 0
      rasterizer.record(recorder);
      convert.record(recorder);
      return this.#readback.record(recorder, {
        counters: { buffer: rasterizer.rasterCounters, bytes: 4 * RASTER_COUNTER_WORDS },
        pixels: { buffer: convert.pixels, bytes: convert.pixels.size },
      });
    });
    slot?.deliver(({ counters, pixels }) => {
      const words = new Uint32Array(counters.slice().buffer);
      if (words[RASTER_COUNTERS.FAILED]) this.#grow(words[RASTER_COUNTERS.NEEDED]);
      else this.#writing = this.#write(pixels.slice());
    });
  }

  /** Waits for the file of the last picture, and frees the buffers. */
  async close(): Promise<void> {
    await this.#writing;
    this.#readback.destroy();
    this.#arena.destroy();
  }

  async #write(pixels: Uint8Array): Promise<void> {
    const { view, show } = this.#preview;
    const { width, height } = view.camera;
    try {
      const { default: sharp } = await import('sharp');
      const picture = sharp(pixels, { raw: { width, height, channels: 4 } })
        .removeAlpha() // its colours include the background
        .resize({ width: SIDE, height: SIDE, fit: 'inside', withoutEnlargement: true })
        .webp({ quality: QUALITY });
      await show(await picture.toBuffer());
      this.#isBusy = false;
    } catch (error) {
      this.#warn(error);
    }
  }

  /** Makes room for the next picture, which is due at once. */
  #grow(needed: number): void {
    try {
      const { gpu } = this.#state;
      this.#intersections = grownIntersections(
        gpu,
        needed,
        BYTES_PER_INTERSECTION,
        this.#preview.view.camera,
      );
      this.#isBusy = false;
      this.#dueAt = 0;
    } catch (error) {
      this.#warn(error);
    }
  }

  #warn(error: unknown): void {
    this.#report.warn(`no preview is shown: ${error instanceof Error ? error.message : error}`);
  }

  /** The engine for the buffers of the state and the capacity. Compiling waits for no work of the GPU. */
  async #current(): Promise<Engine> {
    const { gpu, parameters, capacity, shDegree, antialias, version } = this.#state;
    const intersections = guessedIntersections(gpu, this.#intersections, BYTES_PER_INTERSECTION);
    const known = this.#engine;
    if (known?.version === version && known.intersections === intersections) return known;
    this.#arena.destroy();
    const { width, height } = this.#preview.view.camera;
    const gaussianCount = this.#arena.buffer('gaussianCount', 4);
    const rasterizer = await Rasterizer.create(gpu, this.#arena, {
      label: 'rasterizer',
      gaussians: parameters,
      gaussianCount,
      rows: capacity,
      ...{ shDegree, antialias, width, height, intersections },
      backward: false,
    });
    const pixels = this.#arena.buffer('pixels', 4 * width * height);
    const toRgba8 = await ToRgba8.create(gpu, width * height);
    const bound = toRgba8.bind(rasterizer.color, pixels);
    const convert = {
      record: (recorder: Recorder) => toRgba8.record(recorder, bound),
      pixels,
    };
    this.#engine = { version, intersections, gaussianCount, rasterizer, convert };
    return this.#engine;
  }
}
