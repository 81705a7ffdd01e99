import type { Arena, Gpu, Recorder } from '../../wgsl/core/index.ts';
import { CropSampler } from '../../wgsl/image/crop.ts';
import { SplatRenderer } from '../../wgsl/splat/renderer.ts';
import { backgroundColor, type TrainingBackground } from '../artefacts/background.ts';
import { largestView, type View } from '../artefacts/dataset.ts';
import type { Gaussians } from '../artefacts/gaussians.ts';
import { buildEncoder } from '../clip/encoder.ts';
import type { ClipModel } from '../clip/model.ts';
import { wholeView } from './crop-groups.ts';

/** The splat before restyling, and the views and the background of the steps. */
export interface Base {
  gaussians: Gaussians;
  views: readonly View[];
  background: TrainingBackground;
}

/** In place of a background that changes at random with each step. */
const GREY = [0.5, 0.5, 0.5] as const;

/**
 * Embeddings of the splat before restyling: of each whole training view, computed once and kept on the GPU. Equal splats and
 * views give equal bytes.
 */
export class BaseEmbeds {
  /** f32 [D], not normalised: the embedding of the step's view. */
  readonly view: GPUBuffer;
  readonly #all: GPUBuffer;
  readonly #bytes: number;
  readonly #rows: ReadonlyMap<View, number>;

  private constructor(view: GPUBuffer, all: GPUBuffer, bytes: number, views: readonly View[]) {
    this.view = view;
    this.#all = all;
    this.#bytes = bytes;
    this.#rows = new Map(views.map((one, row) => [one, row]));
  }

  /** Renders and embeds all views. The Gaussians may change afterwards. `arena` owns the results. */
  static async create(gpu: Gpu, arena: Arena, model: ClipModel, base: Base): Promise<BaseEmbeds> {
    const { gaussians, views, background } = base;
    const bytes = 4 * model.dimensions;
    const all = arena.buffer('base-embeds/views', bytes * views.length);
    const current = arena.buffer('base-embeds/view', bytes);
    const own = gpu.arena('base-embeds');
    const renderer = await SplatRenderer.create(gpu, 'base-embeds/renderer');
    try {
      const { width, height } = largestView(views);
      const color = own.buffer('color', 16 * width * height);
      const encoder = await buildEncoder(own, model, { batch: 1, hasBackward: false });
      const { mean, deviation } = model.preprocessor;
      const shape = { batch: 1, size: model.imageSize, mean, deviation };
      const sampler = await CropSampler.create(own, shape, encoder.pixels);
      const over = background === 'random' ? GREY : backgroundColor(background);
      for (const [row, { camera }] of views.entries()) {
        sampler.set(camera.width, camera.height, [wholeView(camera, model.imageSize)], row + 1);
        await renderer.render(gaussians, camera, { color }, { background: [...over] }, (recorder) => {
          sampler.record(recorder, color);
          encoder.recordForward(recorder);
          recorder.copy(encoder.embeds, all, bytes, 0, bytes * row);
        });
      }
      await gpu.settle();
      return new BaseEmbeds(current, all, bytes, views);
    } finally {
      renderer.destroy();
      own.destroy();
    }
  }

  /** Overwrites `view`. */
  record(recorder: Recorder, view: View): void {
    const row = this.#rows.get(view);
    if (row === undefined) throw new Error(`base-embeds has no view ${view.name}`);
    recorder.copy(this.#all, this.view, this.#bytes, row * this.#bytes, 0);
  }
}
