import { join } from 'node:path';
import sharp from 'sharp';
import { lookAt } from '../../stages/artefacts/camera.ts';
import { emptyGaussians, type HostGaussians } from '../../stages/artefacts/gaussians.ts';
import { encodePly } from '../../stages/artefacts/gaussians-ply.ts';
import { FILES } from '../../stages/orbit/files/index.ts';
import { uniform } from './numbers.ts';
import { put } from './scratch.ts';

const WIDTH = 64;
const HEIGHT = 48;
const FRAMES = 3;
/** From 3 units in front of the origin. */
const VIEW = lookAt([0, 0, -3], [0, 0, 0], [0, -1, 0]);
const VIDEO_FRAMES = 10;
const BALL = 400;
const KEY = (digit: string) => digit.repeat(64);

/** A picture file of one colour. */
export function picture(color: string): Promise<Buffer> {
  return sharp({ create: { width: WIDTH, height: HEIGHT, channels: 3, background: color } })
    .webp({ lossless: true })
    .toBuffer();
}

/** Frames of one colour, as a saved turntable has them: rgba8 colours, then depths. */
function frames(color: readonly [number, number, number]): Buffer {
  const pixels = Buffer.alloc(4 * WIDTH * HEIGHT, Buffer.from([...color, 255]));
  const frame = Buffer.concat([pixels, Buffer.alloc(4 * WIDTH * HEIGHT)]);
  return Buffer.concat(Array.from({ length: FRAMES }, () => frame));
}

/**
 * Writes the folder of a small run that nothing computed: three frames, red before restyling and blue after, two held-out views of
 * which the second is worse, and the metrics of train. `changes` replaces members of its run.json. Returns the folder.
 */
export async function exampleRun(folder: string, changes: object = {}): Promise<string> {
  const camera = { width: WIDTH, height: HEIGHT, fx: 60, fy: 60, cx: 32, cy: 24, viewmat: VIEW };
  const list = Array.from({ length: FRAMES }, (_, i) => ({ name: `000${i}`, camera }));
  const orbit = 'stages/orbit/frames';
  put(
    folder,
    `${orbit}/frames.json`,
    JSON.stringify({ format: 'splatline frames 1', fps: 10, frames: list, before: list }),
  );
  put(folder, `${orbit}/frames.bin`, frames([0, 0, 255]));
  put(folder, `${orbit}/before.bin`, frames([255, 0, 0]));
  const side = (psnr: number) => ({ psnr, ssim: 0.9, render: 'held-out/render.webp' });
  const views = [
    { name: 'good', photograph: 'held-out/photograph.webp', now: side(20), before: side(30) },
    { name: 'bad', photograph: 'held-out/photograph.webp', now: side(25), before: side(15) },
  ];
  put(folder, 'stages/score/held-out/views.json', JSON.stringify(views));
  put(folder, 'stages/score/held-out/photograph.webp', await picture('#808080'));
  put(folder, 'stages/score/held-out/render.webp', await picture('#909090'));
  const lines = [50, 100, 150].map((step) => JSON.stringify({ step, loss: 1 / step, psnr: step / 10 }));
  put(folder, 'stages/train/metrics.jsonl', `${lines.join('\n')}\n`);
  const score = (name: string, value: number, unit: string) => ({ name, value, unit, over: '2 views' });
  const run = {
    format: 1,
    status: 'done',
    name: 'example',
    seed: 42,
    command: 'npx splatline run example.yaml',
    cwd: folder,
    file: join(folder, 'example.yaml'),
    store: '.store',
    versions: { splatline: '0.1.0', node: 'v20', packages: { webgpu: '0.6.2' } },
    adapter: { vendor: 'v', architecture: 'a', device: 'd', description: 'An adapter', features: [] },
    seconds: 12,
    stages: [
      stage('load', '1', { inputs: {}, resolvedBy: 'read' }),
      stage('train', '2', { inputs: { dataset: '1' }, options: { steps: 150, dssim: 0.2 } }),
      stage('stylize', '3', { inputs: { gaussians: '2' }, options: { prompt: 'old <wood>' } }),
      stage('orbit', '4', {
        inputs: { gaussians: '3' },
        parts: { frames: { 'frames 0000 color': KEY('a') } },
      }),
      stage('score', '5', { inputs: { frames: '4' } }),
    ],
    files: [],
    scores: [score('psnr', 22.5, 'dB'), score('psnr.before', 30.25, 'dB'), score('clip.margin', 0.5, '1')],
    ledger: [
      { stage: 'train', purpose: 'metrics', direction: 'down', bytes: 2048, transfers: 1, largest: 2048 },
    ],
    ...changes,
  };
  put(folder, 'run.json', JSON.stringify(run));
  return folder;
}

/** `exampleRun` with a splat, which is blue and was red before restyling, and a video. */
export async function exampleRunWithSplat(folder: string): Promise<string> {
  put(folder, 'splat.ply', await encodePly(ball([-1.5, -1.5, 1.5])));
  put(folder, 'base.ply', await encodePly(ball([1.5, -1.5, -1.5])));
  put(folder, 'turntable.mp4', await video());
  const files = ['splat.ply', 'base.ply', 'turntable.mp4'].map((path) => ({
    path,
    bytes: 1,
    sha256: KEY('f'),
    stage: 'stylize',
    key: KEY('3'),
  }));
  return exampleRun(folder, { files });
}

/** Opaque Gaussians of one colour around the origin, given by its SH of degree 0. */
export function ball(color: readonly [number, number, number]): HostGaussians {
  const host = emptyGaussians(BALL, 0);
  host.means.set(uniform(3 * BALL, 1, -0.6, 0.6));
  host.logScales.fill(-2);
  host.opacityLogits.fill(4);
  for (let i = 0; i < BALL; i++) {
    host.quats[4 * i] = 1;
    host.sh.set(color, 3 * i);
  }
  return host;
}

/** One second of MP4, each frame brighter than the one before. */
async function video(): Promise<Uint8Array> {
  let file: Uint8Array | undefined;
  const write = async (_: string, bytes: Uint8Array | string) => void (file = bytes as Uint8Array);
  const options = {
    stem: 'turntable',
    folder: 'frames',
    poster: 'poster',
    kind: 'rgb',
    fps: VIDEO_FRAMES,
  } as const;
  const writer = await FILES.mp4.open({ write }, { ...options, width: WIDTH, height: HEIGHT });
  for (let i = 0; i < VIDEO_FRAMES; i++)
    await writer.add(new Uint8Array(1.5 * WIDTH * HEIGHT).fill(20 * i), String(i));
  await writer.finish();
  return file!;
}

function stage(
  id: string,
  digit: string,
  { inputs, ...others }: { inputs: Record<string, string>; [member: string]: unknown },
): object {
  const producers = Object.entries(inputs).map(([name, of]) => [name, { key: KEY(of), stage: 'any' }]);
  return {
    ...{ id, stage: id, key: KEY(digit), resolvedBy: 'ran', why: 'never run before', seconds: 1 },
    ...{ peakBytes: 1024, options: {}, seed: 42, outputs: [], parts: {}, places: {} },
    identity: { inputs: Object.fromEntries(producers) },
    ...others,
  };
}
