import { type Arena, type Gpu, InputError, type Recorder } from '../../wgsl/core/index.ts';
import { CropSampler } from '../../wgsl/image/crop.ts';
import { dispatchUnitRows } from '../../wgsl/nn/unit-rows.ts';
import { SplatRenderer } from '../../wgsl/splat/renderer.ts';
import { steadyBackground, type TrainingBackground } from '../artefacts/background.ts';
import { largestView, type View } from '../artefacts/dataset.ts';
import type { Gaussians } from '../artefacts/gaussians.ts';
import { buildEncoder } from '../clip/encoder.ts';
import type { ClipModel } from '../clip/model.ts';
import { tokenCount } from '../clip/towers.ts';
import { wholeView } from './crop-groups.ts';

/** The splat before restyling, and the views and the background of the steps. */
export interface Base {
  gaussians: Gaussians;
  views: readonly View[];
  background: TrainingBackground;
}

interface Buffers {
  view: GPUBuffer;
  all: GPUBuffer;
  tokens?: GPUBuffer;
  allTokens: readonly GPUBuffer[];
  /** Of an embedding. */
  bytes: number;
}

/**
 * The layer whose tokens stand for the content of a picture: half of all, rounded up.
 * @throws InputError when the model has a single layer.
 */
export function middleLayer({ towers, directory }: Pick<ClipModel, 'towers' | 'directory'>): number {
  const { layers } = towers.vision;
  if (layers < 2) {
    throw new InputError(
      'the loss content needs an image encoder of at least 2 layers, and this one has 1',
      directory,
    );
  }
  return Math.ceil(layers / 2);
}

/**
 * Embeddings of the splat before restyling: of each whole training view, computed once and kept on the GPU. Equal splats and
 * views give equal bytes.
 */
export class BaseEmbeds {
  /** f32 [D], not normalised: the embedding of the step's view. */
  readonly view: GPUBuffer;
  /** f32 [tokens, width], each of unit length: the tokens of the step's view, if asked for. */
  readonly tokens?: GPUBuffer;
  readonly #all: GPUBuffer;
  readonly #allTokens: readonly GPUBuffer[];
  readonly #bytes: number;
  readonly #rows: ReadonlyMap<View, number>;

  private constructor({ view, all, tokens, allTokens, bytes }: Buffers, views: readonly View[]) {
    this.tokens = tokens;
    this.#allTokens = allTokens;
    this.view = view;
    this.#all = all;
    this.#bytes = bytes;
    this.#rows = new Map(views.map((one, row) => [one, row]));
  }

  /** Renders and embeds all views. The Gaussians may change afterwards. `arena` owns the results. */
  static async create(
    gpu: Gpu,
    arena: Arena,
    model: ClipModel,
    base: Base,
    hasTokens: boolean,
  ): Promise<BaseEmbeds> {
    const { gaussians, views, background } = base;
    const bytes = 4 * model.dimensions;
    const all = arena.buffer('base-embeds/views', bytes * views.length);
    const view = arena.buffer('base-embeds/view', bytes);
    const { vision } = model.towers;
    const tokenShape = { rows: tokenCount(vision), width: vision.width };
    const tokenBytes = 4 * tokenShape.rows * tokenShape.width;
    const tokens = hasTokens ? arena.buffer('base-embeds/tokens', tokenBytes) : undefined;
    const allTokens = hasTokens
      ? views.map(({ name }) => arena.buffer(`base-embeds/tokens/${name}`, tokenBytes))
      : [];
    const own = gpu.arena('base-embeds');
    const renderer = await SplatRenderer.create(gpu, 'base-embeds/renderer');
    try {
      const { width, height } = largestView(views);
      const color = own.buffer('color', 16 * width * height);
      const tap = hasTokens ? { layer: middleLayer(model), first: 0, count: 1 } : undefined;
      const encoder = await buildEncoder(own, model, { batch: 1, hasBackward: false, tap });
      const bindings = tokens && { x: encoder.tokens!, y: tokens };
      const units =
        bindings && (await dispatchUnitRows({ arena: own, target: gpu.target }, tokenShape, bindings));
      const { mean, deviation } = model.preprocessor;
      const shape = { batch: 1, size: model.imageSize, mean, deviation };
      const sampler = await CropSampler.create(own, shape, encoder.pixels);
      const over = steadyBackground(background);
      for (const [row, { camera }] of views.entries()) {
        sampler.set(camera.width, camera.height, [wholeView(camera, model.imageSize)], row + 1);
        await renderer.render(gaussians, camera, { color }, { background: [...over] }, (recorder) => {
          sampler.record(recorder, color);
          encoder.recordForward(recorder);
          recorder.copy(encoder.embeds, all, bytes, 0, bytes * row);
          if (units && tokens) {
            recorder.run(units.bound, units.groups);
            recorder.copy(tokens, allTokens[row], tokenBytes);
          }
        });
      }
      await gpu.settle();
      return new BaseEmbeds({ view, all, tokens, allTokens, bytes }, views);
    } finally {
      renderer.destroy();
      own.destroy();
    }
  }

  /** Overwrites `view` and `tokens`. */
  record(recorder: Recorder, view: View): void {
    const row = this.#rows.get(view);
    if (row === undefined) throw new Error(`base-embeds has no view ${view.name}`);
    recorder.copy(this.#all, this.view, this.#bytes, row * this.#bytes, 0);
    if (this.tokens) recorder.copy(this.#allTokens[row], this.tokens);
  }
}
