import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type MatrixRecord, readRecord } from '../../../pipeline/matrix/record.ts';
import { readComparison } from '../../../pipeline/report/comparison-report.ts';
import { readMatrixReport } from '../../../pipeline/report/matrix-report.ts';
import { listRuns } from '../../../pipeline/report/run-list.ts';
import { Store } from '../../../pipeline/store/store.ts';
import { formatExposures, loadExposures } from '../../../stages/artefacts/exposures.ts';
import { emptyGaussians } from '../../../stages/artefacts/gaussians.ts';
import { readSavedGaussians, saveGaussians } from '../../../stages/artefacts/gaussians-file.ts';
import { formatPoses, loadPoses } from '../../../stages/artefacts/poses.ts';
import { formatScores, loadScores } from '../../../stages/artefacts/scores.ts';
import { loadStyle } from '../../../stages/artefacts/style.ts';
import { checkClip } from '../../../stages/clip/check.ts';
import { readSafetensors } from '../../../stages/clip/safetensors.ts';
import type { Gpu } from '../../../wgsl/core/index.ts';
import { type FloatTensor, packTensors } from '../../helpers/safetensors.ts';
import { scratchFolder } from '../../helpers/scratch.ts';
import { clipFiles } from './documents.ts';
import { runFiles } from './runs.ts';
import { type Files, fileTarget, repositoryFile, type Target } from './target.ts';

const VIEWS = ['a.jpg', 'b.jpg'];
const exposures = { views: VIEWS.map((name) => ({ name, matrix: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0] })) };
const poses = {
  views: VIEWS.map((name) => ({ name, viewmat: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1] })),
};
const style = {
  prompt: [
    { text: 'wood', weight: 1 },
    { text: 'stone', weight: -0.5 },
  ],
  model: 'demo',
};
const scores = { scores: [{ name: 'psnr', value: 20, unit: 'dB', over: '2 views' }] };

/** An artefact that is a JSON file. Its reader uploads nothing. */
const artefactTarget = (
  file: string,
  contents: string,
  load: (gpu: Gpu, folder: string) => Promise<unknown>,
): Target => ({
  name: file,
  files: async () => ({ [file]: contents }),
  changes: { [file]: 'json' },
  read: (folder) => load(undefined as never, folder),
});

async function savedSplat(): Promise<Uint8Array> {
  const host = emptyGaussians(6, 1, true);
  host.means.forEach((_, i) => {
    host.means[i] = Math.sin(i);
  });
  // The tensors stand for their buffers.
  const gpu = { read: async (values: unknown) => (values as Float32Array).buffer } as unknown as Gpu;
  const path = join(scratchFolder(), 'gaussians.safetensors');
  await saveGaussians(gpu, host as never, path);
  return readFile(path);
}

const INDEX = 'model.safetensors.index.json';
const SHARDS = [1, 2].map((i) => `model-0000${i}-of-00002.safetensors`);

/** The tiny CLIP model in two shards. */
async function shards(): Promise<Files> {
  const { tensors } = await readSafetensors(repositoryFile('test/data/clip-tiny/model.safetensors'));
  const all = [...tensors] as [string, FloatTensor][];
  const halves = [all.slice(0, 20), all.slice(20)];
  const places = halves.flatMap((half, i) => half.map(([name]) => [name, SHARDS[i]]));
  return {
    ...(await clipFiles([
      'config.json',
      'preprocessor_config.json',
      'tokenizer.json',
      'tokenizer_config.json',
    ])),
    ...Object.fromEntries(halves.map((half, i) => [SHARDS[i], packTensors(new Map(half))])),
    [INDEX]: JSON.stringify({ metadata: {}, weight_map: Object.fromEntries(places) }),
  };
}

const matrix: MatrixRecord = {
  ...{ format: 1, status: 'failed', name: 'styles', command: 'npx splatline run p.yaml', cwd: '/' },
  ...{ file: '/p.yaml', set: ['seed=7'], jobs: 1, seconds: 9 },
  axes: { prompt: ['gold', 'ice'] },
  cells: [
    {
      ...{
        name: 'gold',
        values: { prompt: 'gold' },
        folder: 'gold',
        status: 'done',
        seconds: 4,
        exitCode: 0,
      },
      ...{ adapter: 'An adapter', frames: 'gold/stages/orbit/frames', scores: scores.scores },
    },
    {
      ...{ name: 'ice', values: { prompt: 'ice' }, folder: 'ice', status: 'failed', exitCode: 2 },
      ...{ error: 'no such file', scores: [] },
    },
  ],
};

/** Results of earlier stages and runs. */
export const SAVED: readonly Target[] = [
  {
    name: 'matrix.json',
    files: async () => ({ 'matrix.json': JSON.stringify(matrix) }),
    changes: { 'matrix.json': 'json' },
    read: async (folder) => readMatrixReport(folder, (await readRecord(folder))!),
  },
  {
    name: 'weights in shards',
    files: shards,
    changes: { [INDEX]: 'json', [SHARDS[0]]: 'bytes', [SHARDS[1]]: 'bytes' },
    read: checkClip,
  },
  artefactTarget('exposures.json', formatExposures(exposures), loadExposures),
  artefactTarget('poses.json', formatPoses(poses), loadPoses),
  artefactTarget('style.json', JSON.stringify(style), loadStyle),
  artefactTarget('scores.json', formatScores(scores), loadScores),
  fileTarget('gaussians.safetensors', ['gaussians.safetensors', 'bytes'], savedSplat, readSavedGaussians),
  {
    name: 'runs, listed and compared',
    files: async () =>
      Object.fromEntries(
        Object.entries(await runFiles()).flatMap(([path, contents]) =>
          ['a', 'b'].map((run) => [`${run}/${path}`, contents] as const),
        ),
      ),
    changes: { 'b/run.json': 'json', 'b/stages/orbit/frames/frames.json': 'json' },
    async read(folder) {
      await listRuns(folder, new Store(join(folder, '.store')));
      await readComparison([join(folder, 'a'), join(folder, 'b')]);
    },
  },
];
