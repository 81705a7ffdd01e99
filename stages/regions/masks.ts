import type { Arena, Gpu } from '../../wgsl/core/index.ts';
import { ToRgba8 } from '../../wgsl/image/to-rgba8.ts';
import { blendRows } from '../../wgsl/splat/edit/blend-rows.ts';
import { SplatRenderer } from '../../wgsl/splat/renderer.ts';
import { checkViewPictures, largestView, type View } from '../artefacts/dataset.ts';
import type { Gaussians } from '../artefacts/gaussians.ts';
import { colorRows } from './preview.ts';

const PIXEL_BYTES = 4;
/** Of all masks together. */
const MOST_BYTES = 4 * 2 ** 30;

/**
 * How much of each pixel of each view shows a region: the splat's render with the weights of its Gaussians as colour, over 0. Made once and
 * kept on the GPU, 4 bytes a pixel. Equal splats and views give equal bytes.
 */
export class RegionMasks {
  readonly #arena: Arena;
  readonly #masks: ReadonlyMap<View, GPUBuffer>;

  private constructor(arena: Arena, masks: ReadonlyMap<View, GPUBuffer>) {
    this.#arena = arena;
    this.#masks = masks;
  }

  /**
   * Renders all views; resolves when they are complete. The Gaussians may change afterwards. `weights`: f32 [N].
   * @throws InputError before it allocates when the masks together are too large.
   */
  static async create(
    gpu: Gpu,
    gaussians: Gaussians,
    weights: GPUBuffer,
    views: readonly View[],
    limit = MOST_BYTES,
  ): Promise<RegionMasks> {
    checkViewPictures(views, { what: 'the masks of a region', pixelBytes: PIXEL_BYTES, limit });
    const arena = gpu.arena('region/masks');
    const own = gpu.arena('region/mask-render');
    const renderer = await SplatRenderer.create(gpu, 'region/renderer');
    try {
      const { count } = gaussians;
      const rows = (value: number) => colorRows(own, [value, value, value], { count, shDegree: 0 });
      const sh = own.buffer('sh', 12 * Math.max(1, count));
      const parts = { base: rows(0), styled: rows(1), result: sh };
      await blendRows(own, { ...parts, count, width: 3, strength: 1, weights });
      const { width, height } = largestView(views);
      const color = own.buffer('color', 16 * width * height);
      const masks = new Map<View, GPUBuffer>();
      for (const view of views) {
        const { camera } = view;
        const pixels = camera.width * camera.height;
        const mask = arena.buffer(view.name, PIXEL_BYTES * pixels);
        const convert = await ToRgba8.create(gpu, pixels);
        const bound = convert.bind(color, mask);
        await renderer.render({ ...gaussians, shDegree: 0, sh }, camera, { color }, {}, (recorder) =>
          convert.record(recorder, bound),
        );
        masks.set(view, mask);
      }
      await gpu.settle();
      return new RegionMasks(arena, masks);
    } catch (error) {
      arena.destroy();
      throw error;
    } finally {
      renderer.destroy();
      own.destroy();
    }
  }

  /** The mask of a view, rgba8 [H, W]: r, g and b are the share of the region. */
  of(view: View): GPUBuffer {
    const mask = this.#masks.get(view);
    if (!mask) throw new Error(`the region has no mask of view ${view.name}`);
    return mask;
  }

  destroy(): void {
    this.#arena.destroy();
  }
}
