import type { Camera, Vec3 } from '../../stages/artefacts/camera.ts';
import type { Gaussians } from '../../stages/artefacts/gaussians.ts';
import { encodePng } from '../../stages/orbit/png.ts';
import type { Gpu } from '../../wgsl/core/index.ts';
import { ToRgba8 } from '../../wgsl/image/to-rgba8.ts';
import { SplatRenderer } from '../../wgsl/splat/renderer.ts';

/**
 * Renders a splat through cameras of any sizes into PNG files, on the way that the turntable's pictures take: rasteriser,
 * rounding to 8 bits, PNG. In the order of `cameras`.
 */
export async function renderPngs(
  gpu: Gpu,
  gaussians: Gaussians,
  cameras: readonly Camera[],
  background: Vec3,
): Promise<Uint8Array[]> {
  const renderer = await SplatRenderer.create(gpu, 'golden/renderer');
  const arena = gpu.arena('golden');
  try {
    const pixelsOf = ({ width, height }: Camera) => width * height;
    const most = Math.max(...cameras.map(pixelsOf));
    const color = arena.buffer('color', 16 * most);
    const rgba8 = arena.buffer('rgba8', 4 * most);
    const pngs: Uint8Array[] = [];
    for (const camera of cameras) {
      await renderer.render(gaussians, camera, { color }, { background });
      const toRgba8 = await ToRgba8.create(gpu, pixelsOf(camera));
      const bound = toRgba8.bind(color, rgba8);
      gpu.run('golden/to-rgba8', (recorder) => toRgba8.record(recorder, bound));
      const bytes = new Uint8Array(await gpu.read(rgba8, 'frames', 4 * pixelsOf(camera)));
      pngs.push(await encodePng(bytes, camera.width, camera.height));
    }
    return pngs;
  } finally {
    renderer.destroy();
    arena.destroy();
  }
}
