import type { Arena, Gpu, Recorder } from '../../wgsl/core/index.ts';
import { FromRgba8 } from '../../wgsl/image/from-rgba8.ts';
import { PhotometricMetrics, psnr } from '../../wgsl/image/photometric-metrics.ts';
import { ToRgba8 } from '../../wgsl/image/to-rgba8.ts';
import { SplatRenderer } from '../../wgsl/splat/renderer.ts';
import type { Camera, Vec3 } from '../artefacts/camera.ts';
import type { Gaussians } from '../artefacts/gaussians.ts';

/** Means over the views. */
export interface Likeness {
  /** Of 8-bit pictures, dB; 100 where they are equal. */
  psnr: number;
  ssim: number;
}

/** Lower bound of the MSE (100 dB), so that the PSNR of equal pictures is finite. */
const MIN_MSE = 1e-10;

interface View {
  camera: Camera;
  /** Records: the render to 8 bits and back, its comparison with the reference, and the result's copy. */
  compare(recorder: Recorder): void;
}

/** Compares renders of splats with those of a reference splat, in views that it keeps on the GPU, 4 bytes a pixel. */
export class Fidelity {
  readonly #gpu: Gpu;
  readonly #renderer: SplatRenderer;
  readonly #background: Vec3;
  readonly #views: readonly View[];
  readonly #render: GPUBuffer;
  readonly #results: GPUBuffer;

  private constructor(
    gpu: Gpu,
    renderer: SplatRenderer,
    background: Vec3,
    views: readonly View[],
    buffers: { render: GPUBuffer; results: GPUBuffer },
  ) {
    this.#gpu = gpu;
    this.#renderer = renderer;
    this.#background = background;
    this.#views = views;
    this.#render = buffers.render;
    this.#results = buffers.results;
  }

  /** Renders the reference, which may change afterwards. The arena owns the buffers; call `destroy`, too. */
  static async create(
    arena: Arena,
    reference: Gaussians,
    { cameras, background }: { cameras: readonly Camera[]; background: Vec3 },
  ): Promise<Fidelity> {
    const { gpu } = arena;
    const width = Math.max(...cameras.map((camera) => camera.width));
    const height = Math.max(...cameras.map((camera) => camera.height));
    const render = arena.buffer('render', 16 * width * height);
    const rounded = arena.buffer('rounded', 4 * width * height);
    const metrics = arena.buffer('metrics', 16);
    const results = arena.buffer('results', 16 * cameras.length);
    const engine = await PhotometricMetrics.create(gpu, arena, {
      label: 'likeness',
      width,
      height,
      render,
      metrics,
    });
    const renderer = await SplatRenderer.create(gpu, 'export/renderer');
    const views: View[] = [];
    for (const [i, camera] of cameras.entries()) {
      const pixels = camera.width * camera.height;
      const photo = arena.buffer(`reference/${i}`, 4 * pixels);
      const toRgba8 = await ToRgba8.create(gpu, pixels);
      const fromRgba8 = await FromRgba8.create(gpu, pixels);
      const down = toRgba8.bind(render, rounded);
      const up = fromRgba8.bind(rounded, render);
      const bound = engine.bindPhoto(photo, { width: camera.width, height: camera.height });
      await renderer.render(reference, camera, { color: render }, { background });
      gpu.run('export/reference', (recorder) => {
        toRgba8.record(recorder, down);
        recorder.copy(rounded, photo, 4 * pixels);
      });
      const compare = (recorder: Recorder) => {
        toRgba8.record(recorder, down);
        fromRgba8.record(recorder, up);
        engine.record(recorder, bound);
        recorder.copy(metrics, results, 16, 0, 16 * i);
      };
      views.push({ camera, compare });
    }
    return new Fidelity(gpu, renderer, background, views, { render, results });
  }

  /** Renders `splat` in every view. */
  async compare(splat: Gaussians): Promise<Likeness> {
    const options = { background: this.#background };
    for (const { camera, compare } of this.#views) {
      await this.#renderer.render(splat, camera, { color: this.#render }, options);
      this.#gpu.run('export/compare', compare);
    }
    const count = this.#views.length;
    const floats = await this.#gpu.readFloats(this.#results, 'metrics', 4 * count);
    const mean = (value: (i: number) => number) =>
      this.#views.reduce((sum, _, i) => sum + value(4 * i), 0) / count;
    return {
      psnr: mean((at) => psnr(Math.max(MIN_MSE, floats[at + 2]))),
      ssim: mean((at) => floats[at + 1]),
    };
  }

  destroy(): void {
    this.#renderer.destroy();
  }
}
