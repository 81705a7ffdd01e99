import { defineKernel, type Gpu, gridFor, type Kernel } from '../core/index.ts';

const GROUP = 64;

export const AREA_RESIZE = defineKernel({
  label: 'image/area-resize',
  constants: { GROUP },
  variants: { portable: { source: new URL('./area-resize.wgsl', import.meta.url) } },
});

/** A picture on the GPU: u32 [H, W] rgba8. */
export interface Rgba8Picture {
  rgba8: GPUBuffer;
  width: number;
  height: number;
}

/** Shrinks pictures by area averaging on the stored values (OpenCV's INTER_AREA), fractional factors included. */
export class AreaResizer {
  readonly #gpu: Gpu;
  readonly #kernel: Kernel;

  private constructor(gpu: Gpu, kernel: Kernel) {
    this.#gpu = gpu;
    this.#kernel = kernel;
  }

  static async create(gpu: Gpu): Promise<AreaResizer> {
    return new AreaResizer(gpu, await gpu.kernel(AREA_RESIZE));
  }

  /** Submits the work: `to` has the picture for everything that is submitted later. It is nowhere larger than `from`. */
  run(from: Rgba8Picture, to: Rgba8Picture): void {
    const across = reduced(from.width, to.width);
    const down = reduced(from.height, to.height);
    const sizes = this.#gpu.uniform('area-resize/sizes', this.#kernel.struct('Sizes').size);
    const numbers = this.#kernel.pack('Sizes', {
      width: to.width,
      height: to.height,
      fromWidth: from.width,
      fromHeight: from.height,
      inputStep: [across.to, down.to],
      outputStep: [across.from, down.from],
      scale: 1 / (across.from * down.from),
    });
    this.#gpu.write(sizes, numbers, 'parameters');
    const bound = this.#kernel.bind({ sizes, photo: from.rgba8, rgba8: to.rgba8 });
    this.#gpu.run('area-resize', (recorder) => recorder.run(bound, gridFor(to.width * to.height, GROUP)));
    sizes.destroy();
  }
}

/** Both sizes without their greatest common divisor. */
function reduced(from: number, to: number): { from: number; to: number } {
  if (to > from) throw new Error(`area averaging does not enlarge ${from} to ${to}`);
  let [a, b] = [from, to];
  while (b) [a, b] = [b, a % b];
  return { from: from / a, to: to / a };
}
