import { type Camera, cameraCenter, dot, type Vec3 } from '../../stages/artefacts/camera.ts';
import { releaseFrames } from '../../stages/artefacts/frames.ts';
import {
  type Gaussians,
  readGaussians,
  releaseGaussians,
  uploadGaussians,
} from '../../stages/artefacts/gaussians.ts';
import { renderFrames } from '../../stages/orbit/render-frames.ts';
import type { Gpu } from '../../wgsl/core/index.ts';
import { type Picture, withoutAlpha } from './picture.ts';

/** The options of golden frames. */
export interface View {
  cameras: readonly Camera[];
  background: Vec3;
}

/** The golden frames of a splat, in the order of the cameras, as a turntable renders them. */
export async function renderView(
  gpu: Gpu,
  gaussians: Gaussians,
  { cameras, background }: View,
): Promise<Picture[]> {
  const options = { fps: 1, background, memory: Number.POSITIVE_INFINITY };
  const pictures: Picture[] = [];
  for (const camera of cameras) {
    const { width, height } = camera;
    const rendered = await renderFrames(gpu, { gaussians }, [camera], options); // one by one: sizes differ
    const rgba = await gpu.read(rendered.frames[0].color, 'frames', 4 * width * height);
    releaseFrames(rendered);
    pictures.push({ width, height, rgb: withoutAlpha(new Uint8Array(rgba)) });
  }
  return pictures;
}

/** How `renderMoved` renders, for golden.json. */
export const MOVED = 'with the world’s origin in the first camera and longer quaternions';

/** The same pictures with different, equally valid arithmetic: every rounding in the kernels differs. */
export async function renderMoved(
  gpu: Gpu,
  gaussians: Gaussians,
  { cameras, background }: View,
): Promise<Picture[]> {
  const host = await readGaussians(gpu, gaussians, 'checkpoints');
  const origin = cameraCenter(cameras[0]);
  host.means = host.means.map((value, i) => value - origin[i % 3]);
  host.quats = host.quats.map((value) => 1.7 * value);
  const moved = uploadGaussians(gpu, 'golden/moved', host, 'checkpoints');
  try {
    const views = cameras.map((camera) => ({ ...camera, viewmat: moveOrigin(camera.viewmat, origin) }));
    return await renderView(gpu, moved, { cameras: views, background });
  } finally {
    releaseGaussians(moved);
  }
}

/** World → camera for a world whose origin is at `origin` of the old one: the translation t becomes t + R·origin. */
function moveOrigin(viewmat: readonly number[], origin: Vec3): number[] {
  return viewmat.map((value, i) => {
    const isTranslation = i % 4 === 3 && i < 12;
    return isTranslation ? value + dot(viewmat.slice(i - 3, i) as unknown as Vec3, origin) : value;
  });
}
