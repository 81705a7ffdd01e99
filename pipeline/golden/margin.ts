import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Camera, cameraCenter, type Vec3 } from '../../stages/artefacts/camera.ts';
import { readGaussians, releaseGaussians, uploadGaussians } from '../../stages/artefacts/gaussians.ts';
import { loadGaussians } from '../../stages/artefacts/gaussians-file.ts';
import { Gpu, openGpu } from '../../wgsl/core/index.ts';
import { $ } from '../process.ts';
import { compare, type Difference, worst } from './compare.ts';
import type { WidthJob } from './other-width.ts';
import { decodePicture, type Picture, readPicture } from './picture.ts';
import { renderPngs } from './render.ts';

/** One way to the same picture, and how far it came out, at worst over the frames. */
export interface MarginRender extends Difference {
  how: string;
}

export interface MarginInput {
  gpu: Gpu;
  /** How `openGpu` was asked for it. */
  adapter?: string;
  /** The safetensors file. */
  splat: string;
  cameras: readonly Camera[];
  background: Vec3;
  /** The recorded pictures, in the order of the cameras. */
  pictures: readonly Picture[];
}

/** Vector widths (bits) that Mesa's software driver can be told; one of them is not its own choice. */
const WIDTHS = [128, 256] as const;

/**
 * How far correct renders of one splat lie apart: the same mathematics in deliberately different arithmetic. What comes out is
 * a lower bound of what another adapter may show.
 */
export async function measureMargin(input: MarginInput): Promise<MarginRender[]> {
  const renders = [await otherWorld(input), await otherShapes(input)];
  if (input.gpu.adapter.software) renders.push(await otherWidth(input));
  return renders;
}

/**
 * The world's origin in the first camera's eye, and quaternions of another length: not one number that the kernels see is the
 * same, and every rounding falls differently.
 */
async function otherWorld({ gpu, splat, cameras, background, pictures }: MarginInput): Promise<MarginRender> {
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
    const now = (await renderPngs(gpu, gaussians, moved, background)).map(decodePicture);
    return judged('with the world’s origin in the first camera and longer quaternions', now, pictures);
  } finally {
    releaseGaussians(gaussians);
  }
}

/** World → camera for a world whose origin lies at `origin` of the old one: t + R·origin. */
function movedOrigin(m: readonly number[], [x, y, z]: Vec3): number[] {
  return m.map((value, i) => {
    const row = 4 * Math.floor(i / 4);
    return i % 4 === 3 && row < 12 ? value + m[row] * x + m[row + 1] * y + m[row + 2] * z : value;
  });
}

/** Without optional features, and in the shapes of work that the other kind of adapter gets (tiles, sorts). */
async function otherShapes({
  adapter,
  splat,
  cameras,
  background,
  pictures,
}: MarginInput): Promise<MarginRender> {
  const plain = await openGpu({ adapter, without: ['subgroups', 'shader-f16'] });
  try {
    const gpu = new Gpu(plain.device, { ...plain.adapter, software: !plain.adapter.software });
    const gaussians = await loadGaussians(gpu, splat);
    const now = (await renderPngs(gpu, gaussians, cameras, background)).map(decodePicture);
    releaseGaussians(gaussians);
    const tiles = plain.adapter.software ? 'a GPU’s' : 'a CPU’s';
    return judged(`with ${tiles} tiles and sorts, without subgroups and f16`, now, pictures);
  } finally {
    plain.close();
  }
}

/** The software driver compiled for other vectors, without fused multiply-add: the nearest thing to another adapter. */
async function otherWidth({
  gpu,
  adapter,
  splat,
  cameras,
  background,
  pictures,
}: MarginInput): Promise<MarginRender> {
  const own = Number(/(\d+)[ -]bits/.exec(gpu.adapter.device)?.[1]);
  const width = WIDTHS.find((bits) => bits !== own) ?? WIDTHS[0];
  const folder = await mkdtemp(join(tmpdir(), 'splatline-golden-'));
  try {
    const job: WidthJob = { adapter, splat, cameras: [...cameras], background, folder };
    const jobFile = join(folder, 'job.json');
    await writeFile(jobFile, JSON.stringify(job));
    const typescript = new URL('../typescript.mjs', import.meta.url).href;
    const program = fileURLToPath(new URL('./other-width.ts', import.meta.url));
    const env = { ...process.env, LP_NATIVE_VECTOR_WIDTH: String(width) };
    const { stdout } = await $({ env })`${process.execPath} --import ${typescript} ${program} ${jobFile}`;
    const now = await Promise.all(cameras.map((_, i) => readPicture(join(folder, `${i}.png`))));
    return judged(`on ${stdout.trim()} (LP_NATIVE_VECTOR_WIDTH=${width})`, now, pictures);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function judged(how: string, now: readonly Picture[], pictures: readonly Picture[]): MarginRender {
  return { how, ...worst(now.map((picture, i) => compare(picture, pictures[i]))) };
}
