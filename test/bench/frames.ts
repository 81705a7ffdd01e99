import type { Camera } from '../../stages/artefacts/camera.ts';
import { type Frames, releaseFrames } from '../../stages/artefacts/frames.ts';
import type { Gaussians } from '../../stages/artefacts/gaussians.ts';
import { encodePng, PNG_THREADS } from '../../stages/artefacts/png.ts';
import { mp4 } from '../../stages/orbit/files/codecs.ts';
import type { FileName } from '../../stages/orbit/files/index.ts';
import { OutputFiles } from '../../stages/orbit/output-files.ts';
import { type OnFrame, renderFrames } from '../../stages/orbit/render-frames.ts';
import { type Gpu, Readback } from '../../wgsl/core/index.ts';
import { i420Bytes, ToI420 } from '../../wgsl/image/to-i420.ts';
import { ToRgba8 } from '../../wgsl/image/to-rgba8.ts';
import { rowLimit } from '../../wgsl/splat/row-capacity.ts';
import { type Effort, timeWhole } from './measure.ts';
import { type Row, rowOf, SH_DEGREE, uploadScene, withArena } from './row.ts';
import { cameraAt, makeScene, type Points } from './scene.ts';
import { renderRow } from './scene-rows.ts';

/** Frames to files: the scene of row 5 on a screen of 1920×1080. */
export interface FramesSize {
  factor: number;
  width: number;
  height: number;
  /** Frames of a video. */
  frames: number;
  /** Pictures that are written as PNG files. */
  pictures: number;
}

export const FRAMES: FramesSize = { factor: 20, width: 1920, height: 1080, frames: 240, pictures: 32 };

const FPS = 60;
/** The angle of the camera's swing, in radians. */
const SWING = (30 * Math.PI) / 180;
/** Staging buffers of the readback that is measured alone. */
const SLOTS = 4;

/** Frames of the encoder that is measured alone. */
const ENCODED = 64;

/** Measures the rasteriser alone, then the stage orbit's own way from the splat to host memory, to an MP4 and to PNG files. */
export async function benchFrames(
  gpu: Gpu,
  points: Points,
  size: FramesSize,
  effort: Effort,
  { onRow = () => {}, onSkip = () => {} }: { onRow?(row: Row): void; onSkip?(text: string): void } = {},
): Promise<Row[]> {
  const [count, limit] = [size.factor * points.count, rowLimit(gpu, SH_DEGREE)];
  if (count > limit) {
    onSkip(`frames are left out: ${count} Gaussians, and this adapter's largest binding holds ${limit}`);
    return [];
  }
  const scene = makeScene(points, size.factor);
  const cameras = swing(points, size);
  const rows: Row[] = [];
  const add = (row: Row) => {
    rows.push(row);
    onRow(row);
  };
  const { row: alone, counted } = await renderRow(
    gpu,
    points,
    scene,
    { id: 'frames gpu', camera: cameras[0] },
    effort,
  );
  add({ ...alone, kind: 'frames' });
  await withArena(gpu, 'bench/frames', async (arena) => {
    const gaussians: Gaussians = { count: scene.count, shDegree: SH_DEGREE, ...uploadScene(arena, scene) };
    const render = (some: readonly Camera[], onFrame?: OnFrame) =>
      renderFrames(
        gpu,
        { gaussians },
        some,
        { fps: FPS, background: [0, 0, 0], memory: Number.POSITIVE_INFINITY },
        onFrame,
      );
    const base = {
      ...rowOf(points, counted),
      kind: 'frames' as const,
      width: size.width,
      height: size.height,
    };
    // Once for the buffers and the kernels.
    releaseFrames(await render(cameras.slice(0, 8)));

    const rendered = await timed(cameras.length, () => render(cameras));
    const parts = await measureParts(gpu, rendered.result.frames.slice(0, ENCODED), size, effort);
    releaseFrames(rendered.result);
    const gpuMs = alone.gpuMs ?? Number.NaN;
    add({
      ...base,
      id: 'frames kept',
      wallMs: rendered.ms,
      parts: { 'render (GPU)': gpuMs, ...pick(parts, ['to rgba8 (GPU)']) },
    });

    const read = await timed(cameras.length, () => readAll(gpu, size, render, cameras));
    add({
      ...base,
      id: 'frames read',
      wallMs: read.ms,
      parts: { 'render (GPU)': gpuMs, ...pick(parts, ['to rgba8 (GPU)', 'read rgba8']) },
    });

    const mp4 = await toFiles(gpu, size, gaussians, render, cameras, 'mp4');
    add({
      ...base,
      id: 'frames mp4',
      wallMs: mp4.ms,
      parts: {
        'render (GPU)': gpuMs,
        ...pick(parts, [
          'to rgba8 (GPU)',
          'to I420 (GPU)',
          'read I420',
          'hand to encoder (main thread)',
          'encode',
        ]),
      },
    });
    const some = cameras.slice(0, size.pictures);
    const png = await toFiles(gpu, size, gaussians, render, some, 'png');
    add({
      ...base,
      id: 'frames png',
      wallMs: png.ms,
      parts: {
        'render (GPU)': gpuMs,
        ...pick(parts, ['to rgba8 (GPU)', 'read rgba8', 'encode PNG']),
      },
    });
  });
  return rows;
}

function pick(parts: Record<string, number>, names: readonly string[]): Record<string, number> {
  return Object.fromEntries(names.map((name) => [name, parts[name]]));
}

async function timed<T>(count: number, body: () => Promise<T>): Promise<{ ms: number; result: T }> {
  const start = performance.now();
  const result = await body();
  return { ms: (performance.now() - start) / count, result };
}

type Render = (cameras: readonly Camera[], onFrame?: OnFrame) => Promise<Frames>;

/** Pictures as rgba8 in host memory, through a ring of staging buffers. */
async function readAll(
  gpu: Gpu,
  { width, height }: FramesSize,
  render: Render,
  cameras: readonly Camera[],
): Promise<void> {
  const readback = new Readback(gpu, 'bench/frames', { slots: SLOTS, purpose: 'test' });
  const pending: Promise<void>[] = [];
  const frames = await render(cameras, async (soFar, list, index) => {
    if (pending.length === SLOTS) await pending.shift();
    const slot = (await readback.capture({
      rgba: { buffer: soFar[list][index].color, bytes: 4 * width * height },
    }))!;
    pending.push(slot.read().then(() => slot.release()));
  });
  await Promise.all(pending);
  readback.destroy();
  releaseFrames(frames);
}

/** Pictures to files in memory, as the stage orbit writes them, ms a frame. */
async function toFiles(
  gpu: Gpu,
  { width, height }: FramesSize,
  gaussians: Gaussians,
  render: Render,
  cameras: readonly Camera[],
  file: FileName,
): Promise<{ ms: number }> {
  const output = { write: async () => {} };
  const files = new OutputFiles(gpu, output, gaussians, {
    outputs: ['color'],
    files: [file],
    width,
    height,
    fps: FPS,
    background: [0, 0, 0],
  });
  const { ms, result } = await timed(cameras.length, async () => {
    const frames = await render(cameras, (soFar, list, index) => files.take(soFar, list, index));
    await files.finish(frames);
    return frames;
  });
  releaseFrames(result);
  return { ms };
}

/** Each part alone, ms a frame. */
async function measureParts(
  gpu: Gpu,
  frames: Frames['frames'],
  { width, height }: FramesSize,
  effort: Effort,
): Promise<Record<string, number>> {
  return withArena(gpu, 'bench/parts', async (arena) => {
    const pixels = width * height;
    const picture = arena.buffer('picture', 16 * pixels);
    const rgba8 = arena.buffer('rgba8', 4 * pixels);
    const planes = arena.buffer('planes', i420Bytes(width, height));
    const [toRgba8, toI420] = [await ToRgba8.create(gpu, pixels), await ToI420.create(gpu, width, height)];
    const bound = toRgba8.bind(picture, rgba8);
    const bounds = frames.map(({ color }) => toI420.bind(color, planes));
    const few = Math.min(effort.steps, 50);
    const gpuTime = async (label: string, record: Parameters<Gpu['run']>[1]) => {
      const frame = () => void gpu.run(label, record);
      frame();
      return (await timeWhole(gpu, frame, few)).gpuMs ?? Number.NaN;
    };
    const readback = new Readback(gpu, 'bench/parts', { slots: SLOTS, purpose: 'test' });
    const read = async (bytes: number) => {
      const pending: Promise<void>[] = [];
      const one = async () => {
        if (pending.length === SLOTS) await pending.shift();
        const slot = (await readback.capture({ part: { buffer: rgba8, bytes } }))!;
        pending.push(slot.read().then(() => slot.release()));
      };
      for (let i = 0; i < SLOTS; i++) await one();
      await Promise.all(pending);
      const { ms } = await timed(few, async () => {
        for (let i = 0; i < few; i++) await one();
        await Promise.all(pending);
      });
      return ms;
    };
    const host: { rgba: Uint8Array; planes: Uint8Array }[] = [];
    for (const [i, { color }] of frames.entries()) {
      gpu.run('bench/to-i420', (recorder) => toI420.record(recorder, bounds[i]));
      host.push({
        rgba: new Uint8Array(i < 2 ? await gpu.read(color, 'test', 4 * pixels) : []),
        planes: new Uint8Array(await gpu.read(planes, 'test', i420Bytes(width, height))),
      });
    }
    await encodePng(host[0].rgba, width, height);
    const png = await timed(2 * PNG_THREADS, () =>
      Promise.all(
        Array.from({ length: 2 * PNG_THREADS }, (_, i) => encodePng(host[i % 2].rgba, width, height)),
      ),
    );
    const result = {
      'to rgba8 (GPU)': await gpuTime('bench/to-rgba8', (recorder) => toRgba8.record(recorder, bound)),
      'to I420 (GPU)': await gpuTime('bench/to-i420', (recorder) => toI420.record(recorder, bounds[0])),
      'read rgba8': await read(4 * pixels),
      'read I420': await read(i420Bytes(width, height)),
      ...(await encodeAlone(
        host.map((one) => one.planes),
        width,
        height,
      )),
      'encode PNG': png.ms,
    };
    readback.destroy();
    return result;
  });
}

/** The encoder without the GPU: its frames a second, and what handing pictures to it takes of the main thread. */
async function encodeAlone(
  pictures: readonly Uint8Array[],
  width: number,
  height: number,
): Promise<Record<string, number>> {
  const options = { stem: '', folder: '', poster: '', kind: 'rgb' as const, width, height, fps: FPS };
  const writer = await mp4.open({ write: async () => {} }, options);
  let handing = 0;
  const { ms } = await timed(pictures.length, async () => {
    for (const planes of pictures) {
      const start = performance.now();
      const added = writer.add(planes, '');
      // What `add` does before it first waits.
      handing += performance.now() - start;
      await added;
    }
    await writer.finish();
  });
  return { 'hand to encoder (main thread)': handing / pictures.length, encode: ms };
}

/** Camera 0 at this size, swinging about the point before it that is as far as the middle of what it sees. */
function swing(points: Points, { width, height, frames }: FramesSize): Camera[] {
  const wide = cameraAt(points, width);
  const camera = { ...wide, height, cy: wide.cy - (wide.height - height) / 2 };
  const distance = middleDepth(points, camera);
  return Array.from({ length: frames }, (_, i) => {
    const angle = SWING * Math.sin((2 * Math.PI * i) / frames);
    const [c, s] = [Math.cos(angle), Math.sin(angle)];
    const v = camera.viewmat;
    // Turns camera space about (0, 0, distance).
    const row = (k: number, x: number, z: number) => x * v[k] + z * v[8 + k];
    const viewmat = [
      ...[0, 1, 2].map((k) => row(k, c, s)),
      row(3, c, s) - s * distance,
      ...v.slice(4, 8),
      ...[0, 1, 2].map((k) => row(k, -s, c)),
      row(3, -s, c) + (1 - c) * distance,
      ...v.slice(12),
    ];
    return { ...camera, viewmat };
  });
}

function middleDepth({ positions }: Points, { viewmat: v }: Camera): number {
  const depths: number[] = [];
  for (let i = 0; i < positions.length; i += 3) {
    const z = v[8] * positions[i] + v[9] * positions[i + 1] + v[10] * positions[i + 2] + v[11];
    if (z > 0) depths.push(z);
  }
  depths.sort((a, b) => a - b);
  return depths[depths.length >> 1];
}
