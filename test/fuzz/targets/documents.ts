import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readMatrix, readPipeline } from '../../../pipeline/file/read.ts';
import { readGolden } from '../../../pipeline/golden/recording.ts';
import { readRun } from '../../../pipeline/report/run-report.ts';
import { describeClip, tokenIds } from '../../../stages/clip/directory.ts';
import { encodeTextsOnnx } from '../../../stages/clip/onnx-text.ts';
import { readPrompts } from '../../../stages/clip/prompts.ts';
import { readSafetensors } from '../../../stages/clip/safetensors.ts';
import { stages } from '../../../stages/index.ts';
import { keyframes } from '../../../stages/orbit/paths/keyframes.ts';
import { nerfstudio } from '../../../stages/orbit/paths/nerfstudio.ts';
import { silent } from '../../../stages/stage.ts';
import { runFiles } from './runs.ts';
import { type Files, fileTarget, repositoryFile, type Target } from './target.ts';

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

const keyframesYaml = `loop: true
keyframes:
  - { position: [0, 0, 1], target: [0, 0, 0] }
  - &a { position: [1, 0, 1], quaternion: [1, 0, 0, 0], fov: 40 }
  - { position: [2, 1, 1], target: [0, 0, 0] }
`;

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

const readKeyframes = (file: string) => finiteCameras(keyframes, { file });

export const CAMERA_PATHS: readonly Target[] = [
  fileTarget('keyframes', ['path.json', 'json'], () => JSON.stringify(keyframeFile), readKeyframes, {
    weight: 3,
  }),
  fileTarget('keyframes, YAML', ['path.yaml', 'text'], () => keyframesYaml, readKeyframes, { weight: 2 }),
  {
    name: "nerfstudio's path",
    files: async () => ({ 'path.json': JSON.stringify(pathFile), 'world.json': JSON.stringify(worldFile) }),
    changes: { 'path.json': 'json', 'world.json': 'json' },
    weight: 2,
    read: async (folder) => {
      const options = { file: join(folder, 'path.json'), transforms: join(folder, 'world.json') };
      await nerfstudio.check!(options);
      await finiteCameras(nerfstudio, options);
    },
  },
];

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

const TINY_CLIP = repositoryFile('test/data/clip-tiny/');

/** Some of the files of the tiny CLIP model. */
export async function clipFiles(names: readonly string[]): Promise<Files> {
  const files = await Promise.all(
    names.map(async (name) => [name, await readFile(join(TINY_CLIP, name))] as const),
  );
  return Object.fromEntries(files);
}

/** Pipeline files, prompts, CLIP models, golden renders and runs. */
export const DOCUMENTS: readonly Target[] = [
  {
    name: 'pipeline file',
    files: async () => ({ 'p.yaml': pipelineText, 'capture/a.txt': '' }),
    changes: { 'p.yaml': 'text' },
    weight: 3,
    async read(folder) {
      const options = { cwd: folder, registry: stages, env: {} };
      if (!(await readMatrix('p.yaml', options))) await readPipeline('p.yaml', options);
    },
  },
  fileTarget(
    'prompt library',
    ['library.yaml', 'text'],
    () => readFile(repositoryFile('prompts/library.yaml')),
    readPrompts,
  ),
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
  fileTarget(
    'safetensors',
    ['model.safetensors', 'bytes'],
    () => readFile(join(TINY_CLIP, 'model.safetensors')),
    readSafetensors,
  ),
  fileTarget(
    'ONNX text encoder',
    ['text_model.onnx', 'bytes'],
    () => readFile(repositoryFile('test/data/text_model.onnx')),
    (path) => encodeTextsOnnx(path, [[1, 2, 3, 4]], 16),
  ),
  {
    name: 'golden.json',
    files: async () => ({
      'demo.golden/golden.json': await readFile(repositoryFile('scenes/joint.golden/golden.json')),
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
