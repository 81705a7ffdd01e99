/** The readers that the fuzzer feeds, each with a whole input. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import sharp from 'sharp';
import { readPipeline } from '../../pipeline/file/read.ts';
import { readGolden } from '../../pipeline/golden/recording.ts';
import { readRun } from '../../pipeline/report/run-report.ts';
import { emptyGaussians } from '../../stages/artefacts/gaussians.ts';
import { importGaussians } from '../../stages/artefacts/gaussians-import.ts';
import { encodePly } from '../../stages/artefacts/gaussians-ply.ts';
import { describeClip, tokenIds } from '../../stages/clip/directory.ts';
import { encodeTextsOnnx } from '../../stages/clip/onnx-text.ts';
import { readPrompts } from '../../stages/clip/prompts.ts';
import { readSafetensors } from '../../stages/clip/safetensors.ts';
import { stages } from '../../stages/index.ts';
import { readMask } from '../../stages/load/masks.ts';
import { readPicture } from '../../stages/load/pictures.ts';
import { type LoadInput, loadOptions, loadStage } from '../../stages/load/stage.ts';
import { FILES } from '../../stages/orbit/files/index.ts';
import { keyframes } from '../../stages/orbit/paths/keyframes.ts';
import { nerfstudio } from '../../stages/orbit/paths/nerfstudio.ts';
import { checkVideo, extractFrames } from '../../stages/sfm/frames.ts';
import { haveOneSize } from '../../stages/sfm/pictures.ts';
import { silent } from '../../stages/stage.ts';
import { binaryModel, textModel, tinyCapture } from '../helpers/colmap.ts';
import { exampleRun } from '../helpers/example-run.ts';
import { scratchFolder } from '../helpers/scratch.ts';
import {
  compressedPly,
  crc,
  ksplat,
  sogArchive,
  sogFiles,
  splat,
  spz,
  spzContents,
} from '../helpers/splat-files.ts';
import { i420Bytes } from '../reference/to-i420.ts';
import type { Kind } from './mutate.ts';

type Files = Record<string, Uint8Array | string>;

export interface Target {
  /** The reader and the format. */
  name: string;
  /** A whole input. */
  files(): Promise<Files>;
  /** The files that cases change, and of which kind each is. */
  changes: Record<string, Kind>;
  /** What turns the changed contents into the file: a compression, a checksum. */
  wrap?(contents: Buffer): Buffer;
  /** Cases for each one of a target of weight 1. */
  weight?: number;
  read(folder: string): Promise<unknown>;
}

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const TINY_CLIP = here('../data/clip-tiny/');
const preflight = (options: LoadInput) => loadStage.preflight!(loadOptions.parse(options));

const noisePicture = (channels: 3 | 4 = 3) =>
  sharp(Buffer.from(Array.from({ length: 24 * 16 * channels }, (_, i) => (i * 2654435761) >>> 24)), {
    raw: { width: 24, height: 16, channels },
  });
const pictureFile = (format: 'png' | 'jpeg' | 'webp') => () => noisePicture().toFormat(format).toBuffer();
const PICTURE = {
  calibrated: { width: 24, height: 16 },
  downscale: 1,
  maxBytes: 2 ** 27,
};

/** Checksums of the chunks of a PNG as they must be, so that changes reach what lies behind them. */
function withChecksums(png: Buffer): Buffer {
  const fixed = Buffer.from(png);
  for (let at = 8; at + 12 <= fixed.length; ) {
    const end = at + 8 + fixed.readUInt32BE(at);
    if (end + 4 > fixed.length) break;
    fixed.writeUInt32BE(crc(fixed.subarray(at + 4, end)), end);
    at = end + 4;
  }
  return fixed;
}

async function capture(files: Files): Promise<Files> {
  const { images } = tinyCapture();
  const pictures = await Promise.all(
    images.slice(0, 3).map(async ({ name }) => [`images/${name}`, await pictureFile('png')()] as const),
  );
  return { ...files, ...Object.fromEntries(pictures) };
}

/** The tiny capture with three pictures, and with a lens that has to be undistorted. */
function distortedCapture() {
  const { images, points } = tinyCapture();
  const params = [60, 62, 32, 24, -0.1, 0.01, 0.001, 0.001];
  return {
    cameras: [{ id: 7, model: 'OPENCV', width: 64, height: 48, params }],
    images: images.slice(0, 3),
    points,
  };
}

const transforms = JSON.stringify({
  ...{ fl_x: 60, fl_y: 60, cx: 32, cy: 24, w: 64, h: 48, k1: -0.1, k2: 0.01, p1: 0.001, p2: 0 },
  ply_file_path: 'points.ply',
  train_filenames: ['images/view 0.png', 'images/view 1.png'],
  test_filenames: ['images/view 2.png'],
  frames: [0, 1, 2].map((i) => ({
    file_path: `images/view ${i}.png`,
    transform_matrix: [
      [1, 0, 0, i],
      [0, 1, 0, 0],
      [0, 0, 1, 4],
      [0, 0, 0, 1],
    ],
  })),
});

const pointHeader = (format: string) =>
  `ply\nformat ${format} 1.0\nelement vertex 4\nproperty float x\nproperty float y\nproperty float z\n` +
  'property uchar red\nproperty uchar green\nproperty uchar blue\nend_header\n';
const asciiPoints = `${pointHeader('ascii')}${'0 1 2 255 0 9\n'.repeat(4)}`;
const binaryPoints = Buffer.concat([Buffer.from(pointHeader('binary_little_endian')), Buffer.alloc(60, 62)]);

const keyframeFile = {
  up: [0, -1, 0],
  keyframes: [0, 1, 2, 3].map((i) => ({ position: [i, 0, i * i], target: [0, 0, 9], fov: 50, time: i })),
};
const pathFile = {
  ...{ camera_type: 'perspective', render_width: 640, render_height: 480, fps: 24 },
  camera_path: [0, 1, 2].map((i) => ({
    camera_to_world: [1, 0, 0, i, 0, 1, 0, 0, 0, 0, 1, 4, 0, 0, 0, 1],
    fov: 50,
  })),
};
const worldFile = {
  transform: [
    [1, 0, 0, 0],
    [0, 1, 0, 0],
    [0, 0, 1, 0],
  ],
  scale: 0.5,
};
/** A scene for paths that list their cameras. */
const scene = {
  dataset: {
    views: [],
    points: { positions: new Float32Array(), colors: new Uint8Array() },
    up: [0, -1, 0] as [number, number, number],
    center: [0, 0, 0] as [number, number, number],
    extent: 1,
  },
  gaussians: undefined as never,
};
const onPath = {
  gpu: undefined as never,
  scene,
  picture: { frames: 5, width: 64, height: 48 },
  report: silent,
};

async function splatPly(): Promise<Uint8Array> {
  const host = emptyGaussians(6, 1);
  for (const name of ['means', 'logScales', 'quats', 'opacityLogits', 'sh'] as const) {
    host[name].forEach((_, i) => {
      host[name][i] = Math.sin(i + name.length);
    });
  }
  return encodePly(host);
}

function splatTarget(
  file: string,
  files: () => Files | Promise<Files>,
  others: Partial<Target> = {},
): Target {
  return {
    name: `splat ${file}`,
    files: async () => files(),
    changes: { [file]: 'bytes' },
    read: (folder) => importGaussians(join(folder, file)),
    ...others,
  };
}

async function video(format: 'mp4' | 'webm'): Promise<Files> {
  const [width, height] = [64, 48];
  const files: Files = {};
  const write = async (_path: string, bytes: Uint8Array | string) => void (files[`walk.${format}`] = bytes);
  const about = {
    stem: 'walk',
    folder: 'frames',
    poster: 'poster',
    kind: 'rgb',
    fps: 24,
    width,
    height,
  } as const;
  const writer = await FILES[format].open({ write }, about);
  for (let i = 0; i < 6; i++) {
    const rgba = Uint8Array.from({ length: 4 * width * height }, (_, k) => ((k >> 4) * (i + 3)) & 255);
    await writer.add(i420Bytes(rgba, width, height), String(i));
  }
  await writer.finish();
  return files;
}

const videoTarget = (format: 'mp4' | 'webm'): Target => ({
  name: `video .${format}`,
  files: () => video(format),
  changes: { [`walk.${format}`]: 'bytes' },
  async read(folder) {
    const file = join(folder, `walk.${format}`);
    await checkVideo(file);
    await extractFrames(file, { frames: 3, folder: scratchFolder(), report: silent });
  },
});

const pipelineText = `name: fuzz
seed: 7
checkpoints: { seconds: 300 }
matrix: { prompt: [wood, paint], steps: [100, 200] }
stages:
  - load: { colmap: capture, downscale: 2, holdout: 8 }
  - init: { from: points }
  - train: { steps: "\${matrix.steps}", strategy: mcmc, cap: 1000 }
  - stylize: { prompt: "\${matrix.prompt}", steps: 10 }
  - orbit: { path: { ellipse: {} }, size: 64, frames: 3 }
  - score:
`;

export const TARGETS: readonly Target[] = [
  {
    name: 'COLMAP .bin',
    files: async () => {
      const model = binaryModel(distortedCapture());
      return capture(
        Object.fromEntries(Object.entries(model).map(([name, data]) => [`sparse/0/${name}`, data])),
      );
    },
    changes: {
      'sparse/0/cameras.bin': 'bytes',
      'sparse/0/images.bin': 'bytes',
      'sparse/0/points3D.bin': 'bytes',
    },
    weight: 4,
    read: (folder) => preflight({ colmap: folder }),
  },
  {
    name: 'COLMAP .txt',
    files: () => capture(textModel(distortedCapture())),
    changes: { 'cameras.txt': 'text', 'images.txt': 'text', 'points3D.txt': 'text' },
    weight: 4,
    read: (folder) => preflight({ colmap: folder }),
  },
  {
    name: 'transforms.json',
    files: () => capture({ 'transforms.json': transforms, 'points.ply': asciiPoints }),
    changes: { 'transforms.json': 'json' },
    weight: 4,
    read: (folder) => preflight({ transforms: folder }),
  },
  {
    name: 'points .ply',
    files: () => capture({ 'transforms.json': transforms, 'points.ply': binaryPoints }),
    changes: { 'points.ply': 'bytes' },
    weight: 2,
    read: (folder) => preflight({ transforms: folder }),
  },
  {
    name: 'points .ply, ASCII',
    files: () => capture({ 'transforms.json': transforms, 'points.ply': asciiPoints }),
    changes: { 'points.ply': 'text' },
    weight: 2,
    read: (folder) => preflight({ transforms: folder }),
  },
  {
    name: 'keyframes',
    files: async () => ({ 'path.json': JSON.stringify(keyframeFile) }),
    changes: { 'path.json': 'json' },
    weight: 3,
    read: (folder) => finiteCameras(keyframes, { file: join(folder, 'path.json') }),
  },
  {
    name: 'keyframes, YAML',
    files: async () => ({
      'path.yaml':
        'loop: true\nkeyframes:\n  - { position: [0, 0, 1], target: [0, 0, 0] }\n' +
        '  - &a { position: [1, 0, 1], quaternion: [1, 0, 0, 0], fov: 40 }\n  - { <<: *a, position: [2, 1, 1] }\n'.replace(
          /<<: \*a, position: (.*) }/,
          'position: $1, target: [0, 0, 0] }',
        ),
    }),
    changes: { 'path.yaml': 'text' },
    weight: 2,
    read: (folder) => finiteCameras(keyframes, { file: join(folder, 'path.yaml') }),
  },
  {
    name: "nerfstudio's path",
    files: async () => ({ 'path.json': JSON.stringify(pathFile), 'world.json': JSON.stringify(worldFile) }),
    changes: { 'path.json': 'json', 'world.json': 'json' },
    weight: 2,
    read: async (folder) => {
      const options = { file: join(folder, 'path.json'), transforms: join(folder, 'world.json') };
      await nerfstudio.aspect!(options);
      await finiteCameras(nerfstudio, options);
    },
  },
  ...(['png', 'jpeg', 'webp'] as const).map(
    (format): Target => ({
      name: `picture ${format.toUpperCase()}`,
      files: async () => ({ [`photo.${format}`]: await pictureFile(format)() }),
      changes: { [`photo.${format}`]: 'bytes' },
      wrap: format === 'png' ? withChecksums : undefined,
      weight: 2,
      read: (folder) => readPicture(join(folder, `photo.${format}`), PICTURE),
    }),
  ),
  {
    name: 'picture with alpha',
    files: async () => ({ 'photo.png': await noisePicture(4).png().toBuffer() }),
    changes: { 'photo.png': 'bytes' },
    read: (folder) => readPicture(join(folder, 'photo.png'), { ...PICTURE, masking: 'remove' }),
  },
  {
    name: 'mask',
    files: async () => ({ 'mask.png': await noisePicture().toColourspace('b-w').png().toBuffer() }),
    changes: { 'mask.png': 'bytes' },
    wrap: withChecksums,
    read: (folder) => readMask(join(folder, 'mask.png'), { width: 24, height: 16 }),
  },
  {
    name: 'photographs without cameras',
    files: async () => ({ 'a.jpg': await pictureFile('jpeg')(), 'b.png': await pictureFile('png')() }),
    changes: { 'a.jpg': 'bytes', 'b.png': 'bytes' },
    read: (folder) => haveOneSize(folder, ['a.jpg', 'b.png']),
  },
  splatTarget('a.ply', async () => ({ 'a.ply': await splatPly() }), { weight: 3 }),
  splatTarget('b.compressed.ply', () => ({ 'b.compressed.ply': compressedPly() }), { weight: 3 }),
  splatTarget('c.sog', async () => ({ 'c.sog': sogArchive(await sogFiles()) }), { weight: 3 }),
  splatTarget('meta.json', sogFiles, { changes: { 'meta.json': 'json' }, weight: 3 }),
  splatTarget('meta.json', sogFiles, {
    name: 'splat meta.json, its pictures',
    changes: { 'means_u.webp': 'bytes', 'quats.webp': 'bytes' },
  }),
  splatTarget('d.spz', () => ({ 'd.spz': spz() })),
  splatTarget('d.spz', () => ({ 'd.spz': spzContents() }), {
    name: 'splat d.spz, its contents',
    wrap: (contents) => gzipSync(contents),
    weight: 3,
  }),
  splatTarget('e.splat', () => ({ 'e.splat': splat() })),
  splatTarget('f.ksplat', () => ({ 'f.ksplat': ksplat() }), { weight: 3 }),
  videoTarget('mp4'),
  videoTarget('webm'),
  {
    name: 'pipeline file',
    files: async () => ({ 'p.yaml': pipelineText, 'capture/a.txt': '' }),
    changes: { 'p.yaml': 'text' },
    weight: 3,
    async read(folder) {
      const { readMatrix } = await import('../../pipeline/file/read.ts');
      const options = { cwd: folder, registry: stages, env: {} };
      if (!(await readMatrix('p.yaml', options))) await readPipeline('p.yaml', options);
    },
  },
  {
    name: 'prompt library',
    files: async () => ({ 'library.yaml': await readFile(here('../../prompts/library.yaml'), 'utf8') }),
    changes: { 'library.yaml': 'text' },
    read: (folder) => readPrompts(join(folder, 'library.yaml')),
  },
  {
    name: 'CLIP configuration',
    files: () =>
      clipFiles([
        'config.json',
        'preprocessor_config.json',
        'tokenizer.json',
        'tokenizer_config.json',
        'model.safetensors',
      ]),
    changes: {
      ...{ 'config.json': 'json', 'preprocessor_config.json': 'json' },
      ...{ 'tokenizer.json': 'json', 'tokenizer_config.json': 'json' },
    },
    weight: 3,
    read: async (folder) => tokenIds(await describeClip(folder), 'an old wooden robot'),
  },
  {
    name: 'safetensors',
    files: () => clipFiles(['model.safetensors']),
    changes: { 'model.safetensors': 'bytes' },
    read: (folder) => readSafetensors(join(folder, 'model.safetensors')),
  },
  {
    name: 'ONNX text encoder',
    files: async () => ({ 'text_model.onnx': await readFile(here('../data/text_model.onnx')) }),
    changes: { 'text_model.onnx': 'bytes' },
    read: (folder) => encodeTextsOnnx(join(folder, 'text_model.onnx'), [[1, 2, 3, 4]], 16),
  },
  {
    name: 'golden.json',
    files: async () => ({
      'demo.golden/golden.json': await readFile(here('../../scenes/joint.golden/golden.json')),
    }),
    changes: { 'demo.golden/golden.json': 'json' },
    read: (folder) => readGolden(join(folder, 'demo.yaml')),
  },
  {
    name: 'run folder',
    files: runFiles,
    changes: {
      ...{ 'run.json': 'json', 'stages/train/metrics.jsonl': 'text' },
      ...{ 'stages/score/held-out/views.json': 'json', 'stages/orbit/frames/frames.json': 'json' },
      'stages/score/held-out/render.webp': 'bytes',
    },
    read: (folder) => readRun(folder),
  },
];

async function finiteCameras<Options>(
  path: {
    cameras(
      input: never,
      options: Options,
    ): Promise<{ cameras: { viewmat: readonly number[]; fx: number }[] }>;
  },
  options: Options,
): Promise<void> {
  const { cameras } = await path.cameras(onPath as never, options);
  const faulty = cameras.findIndex(({ viewmat, fx }) => ![...viewmat, fx].every(Number.isFinite));
  if (faulty >= 0) throw new Error(`camera ${faulty} is not finite`);
}

async function clipFiles(names: readonly string[]): Promise<Files> {
  const files = await Promise.all(
    names.map(async (name) => [name, await readFile(join(TINY_CLIP, name))] as const),
  );
  return Object.fromEntries(files);
}

async function runFiles(): Promise<Files> {
  const folder = await exampleRun(scratchFolder());
  const { readdir } = await import('node:fs/promises');
  const items = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = items
    .filter((item) => item.isFile())
    .map((item) => join(item.parentPath ?? item.path, item.name));
  return Object.fromEntries(
    await Promise.all(
      paths.map(async (path) => [path.slice(folder.length + 1), await readFile(path)] as const),
    ),
  );
}
