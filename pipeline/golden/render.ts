import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Camera, cameraCenter, type Vec3 } from '../../stages/artefacts/camera.ts';
import {
  type Gaussians,
  readGaussians,
  releaseGaussians,
  uploadGaussians,
} from '../../stages/artefacts/gaussians.ts';
import { loadGaussians } from '../../stages/artefacts/gaussians-file.ts';
import type { Gpu } from '../../wgsl/core/index.ts';
import { ToRgba8 } from '../../wgsl/image/to-rgba8.ts';
import { SplatRenderer } from '../../wgsl/splat/renderer.ts';
import { openDevice } from '../open-device.ts';
import { $ } from '../process.ts';
import { compare, type Difference, type Picture, readPicture, withoutAlpha, worst } from './picture.ts';

/** What golden frames show. */
interface View {
  /** A safetensors file. */
  splat: string;
  cameras: readonly Camera[];
  background: Vec3;
}

/** The golden frames of a splat, in the order of the cameras: rasterised and rounded to 8 bits as a turntable is. */
export async function renderView(gpu: Gpu, { splat, ...view }: View): Promise<Picture[]> {
  const gaussians = await loadGaussians(gpu, splat);
  try {
    return await renderPictures(gpu, gaussians, view);
  } finally {
    releaseGaussians(gaussians);
  }
}

async function renderPictures(
  gpu: Gpu,
  gaussians: Gaussians,
  { cameras, background }: Omit<View, 'splat'>,
): Promise<Picture[]> {
  const renderer = await SplatRenderer.create(gpu, 'golden/renderer');
  const arena = gpu.arena('golden');
  try {
    const most = Math.max(...cameras.map(({ width, height }) => width * height));
    const color = arena.buffer('color', 16 * most);
    const rgba8 = arena.buffer('rgba8', 4 * most);
    const pictures: Picture[] = [];
    for (const camera of cameras) {
      const { width, height } = camera;
      await renderer.render(gaussians, camera, { color }, { background });
      const toRgba8 = await ToRgba8.create(gpu, width * height);
      const bound = toRgba8.bind(color, rgba8);
      gpu.run('golden/to-rgba8', (recorder) => toRgba8.record(recorder, bound));
      const bytes = new Uint8Array(await gpu.read(rgba8, 'frames', 4 * width * height));
      pictures.push({ width, height, rgb: withoutAlpha(bytes) });
    }
    return pictures;
  } finally {
    renderer.destroy();
    arena.destroy();
  }
}

/** A render in other arithmetic, and its worst difference over the frames. */
interface MarginRender extends Difference {
  how: string;
}

/**
 * Measures how far correct renders of one view differ: the same mathematics in deliberately different arithmetic. The result is
 * a lower bound of the differences on another adapter. `adapter` is the argument that `openGpu` got.
 */
export async function measureMargin(
  gpu: Gpu,
  adapter: string | undefined,
  view: View,
  pictures: readonly Picture[],
): Promise<MarginRender[]> {
  const difference = (how: string, now: readonly Picture[]): MarginRender => ({
    how,
    ...worst(now.map((picture, i) => compare(picture, pictures[i]))),
  });
  const moved = await renderMoved(gpu, view);
  const renders = [difference('with the world’s origin in the first camera and longer quaternions', moved)];

  const plain = await openDevice({ adapter, without: ['subgroups', 'shader-f16'], target: 'portable' });
  try {
    const how = 'with the portable kernels, without subgroups and f16';
    renders.push(difference(how, await renderView(plain, view)));
  } finally {
    plain.close();
  }

  if (gpu.adapter.software) {
    const { device, width, now } = await renderAtOtherWidth(gpu, adapter, view);
    renders.push(difference(`on ${device} (LP_NATIVE_VECTOR_WIDTH=${width})`, now));
  }
  return renders;
}

/** Moves the world's origin into the first camera and scales quaternions: every rounding in the kernels differs. */
async function renderMoved(gpu: Gpu, { splat, cameras, background }: View): Promise<Picture[]> {
  const loaded = await loadGaussians(gpu, splat);
  const host = await readGaussians(gpu, loaded, 'checkpoints');
  releaseGaussians(loaded);
  const origin = cameraCenter(cameras[0]);
  host.means.forEach((value, i) => {
    host.means[i] = value - origin[i % 3];
  });
  host.quats.forEach((value, i) => {
    host.quats[i] = 1.7 * value;
  });
  const moved = cameras.map((camera) => ({ ...camera, viewmat: movedOrigin(camera.viewmat, origin) }));
  const gaussians = uploadGaussians(gpu, 'golden/moved', host, 'checkpoints');
  try {
    return await renderPictures(gpu, gaussians, { cameras: moved, background });
  } finally {
    releaseGaussians(gaussians);
  }
}

/** World → camera for a world whose origin is at `origin` of the old one: t + R·origin. */
function movedOrigin(m: readonly number[], [x, y, z]: Vec3): number[] {
  return m.map((value, i) => {
    const row = 4 * Math.floor(i / 4);
    return i % 4 === 3 && row < 12 ? value + m[row] * x + m[row + 1] * y + m[row + 2] * z : value;
  });
}

/** Vector widths (bits) of Mesa's software driver; at least one of them is not its default. */
const WIDTHS = [128, 256] as const;

/** The arguments of `other-width.ts`. */
export interface WidthJob extends View {
  adapter?: string;
  /** Receives `0.png`, `1.png`, … in the order of the cameras. */
  folder: string;
}

/** Renders in a process whose software driver compiles for another vector width, without fused multiply-add. */
async function renderAtOtherWidth(gpu: Gpu, adapter: string | undefined, view: View) {
  const own = Number(/(\d+)[ -]bits/.exec(gpu.adapter.device)?.[1]);
  const width = WIDTHS.find((bits) => bits !== own) ?? WIDTHS[0];
  const folder = await mkdtemp(join(tmpdir(), 'splatline-golden-'));
  try {
    const job: WidthJob = { ...view, adapter, folder };
    const jobFile = join(folder, 'job.json');
    await writeFile(jobFile, JSON.stringify(job));
    const program = fileURLToPath(new URL('../../dist/other-width.js', import.meta.url));
    const env = { ...process.env, LP_NATIVE_VECTOR_WIDTH: String(width) };
    const { stdout } = await $({ env })`${process.execPath} ${program} ${jobFile}`;
    const now = await Promise.all(view.cameras.map((_, i) => readPicture(join(folder, `${i}.png`))));
    return { device: stdout.trim(), width, now };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
