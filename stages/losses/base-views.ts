import type { Arena, Gpu, Recorder } from '../../wgsl/core/index.ts';
import { type BoundHalves, HALF_PICTURE_BYTES, HalfPictures } from '../../wgsl/image/half-picture.ts';
import { SplatRenderer } from '../../wgsl/splat/renderer.ts';
import type { Vec3 } from '../artefacts/camera.ts';
import { checkViewPictures, largestView, type View } from '../artefacts/dataset.ts';
import type { Gaussians } from '../artefacts/gaussians.ts';

/** Of all renders together. */
const MOST_BYTES = 8 * 2 ** 30;

/**
 * Renders of the splat before restyling, one for each training view, made once and kept on the GPU in half precision. A
 * step composites the render of its view over its background. Equal splats and views give equal bytes.
 */
export class BaseViews {
  /** f32 [H, W, 4] of the largest view's size: rgb with the step's background, and alpha. The row stride is the view's width. */
  readonly color: GPUBuffer;
  readonly #arena: Arena;
  readonly #pictures: HalfPictures;
  readonly #bound = new Map<View, BoundHalves>();

  private constructor(arena: Arena, color: GPUBuffer, pictures: HalfPictures) {
    this.#arena = arena;
    this.color = color;
    this.#pictures = pictures;
  }

  /**
   * Renders all views; resolves when they are complete. The Gaussians may change afterwards.
   * @throws InputError before it allocates when the renders together are too large.
   */
  static async create(gpu: Gpu, gaussians: Gaussians, views: readonly View[]): Promise<BaseViews> {
    checkBaseViews(views);
    const arena = gpu.arena('base-views');
    const renderer = await SplatRenderer.create(gpu, 'base-views/renderer');
    try {
      const { width, height } = largestView(views);
      const color = arena.buffer('color', 16 * width * height);
      const base = new BaseViews(arena, color, await HalfPictures.create(gpu, arena, color));
      for (const view of views) await base.#add(renderer, gaussians, view);
      await gpu.settle();
      return base;
    } catch (error) {
      arena.destroy();
      throw error;
    } finally {
      renderer.destroy();
    }
  }

  async #add(renderer: SplatRenderer, gaussians: Gaussians, view: View): Promise<void> {
    const { camera, name } = view;
    const pixels = camera.width * camera.height;
    const bound = this.#pictures.bind(this.#arena.buffer(name, HALF_PICTURE_BYTES * pixels), pixels);
    this.#bound.set(view, bound);
    this.#pictures.set(bound);
    // On black, the rendered colours are premultiplied.
    await renderer.render(gaussians, camera, { color: this.color }, {}, (recorder) =>
      this.#pictures.recordPack(recorder, bound),
    );
  }

  /** Uploads the background of the next step. */
  prepare(view: View, background: Vec3): void {
    this.#pictures.set(this.#of(view), background);
  }

  /** Overwrites `color` with the base's render of the view. */
  record(recorder: Recorder, view: View): void {
    this.#pictures.recordComposite(recorder, this.#of(view));
  }

  destroy(): void {
    this.#arena.destroy();
  }

  #of(view: View): BoundHalves {
    const bound = this.#bound.get(view);
    if (!bound) throw new Error(`base-views has no render of view ${view.name}`);
    return bound;
  }
}

/** @throws InputError when the renders of all views take more than the limit. */
export function checkBaseViews(views: readonly View[], limit = MOST_BYTES): void {
  checkViewPictures(views, {
    what: 'the renders before restyling',
    pixelBytes: HALF_PICTURE_BYTES,
    limit,
  });
}
