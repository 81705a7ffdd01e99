import { cp, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { findRun, restoreRun } from '../../../pipeline/run/kept-runs.ts';
import { EVENTS_FILE, type LiveEvent } from '../../../pipeline/run/live-log.ts';
import { LIVE, LOCK } from '../../../pipeline/run/run-folder.ts';
import { RECORD } from '../../../pipeline/store/entry.ts';
import { OWNER } from '../../../pipeline/store/lock.ts';
import { Store } from '../../../pipeline/store/store.ts';
import { LiveRun } from '../../../pipeline/view/live-run.ts';
import { formatScores } from '../../../stages/artefacts/scores.ts';
import { type Gpu, InputError } from '../../../wgsl/core/index.ts';
import { exampleRun } from '../../helpers/example-run.ts';
import { put, scratchFolder } from '../../helpers/scratch.ts';
import type { Files, Target } from './target.ts';

/** All files below a folder, by their paths there. */
async function filesBelow(folder: string): Promise<Files> {
  const items = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = items
    .filter((item) => item.isFile())
    .map((item) => join(item.parentPath ?? item.path, item.name));
  const read = paths.map(async (path) => [path.slice(folder.length + 1), await readFile(path)] as const);
  return Object.fromEntries(await Promise.all(read));
}

/** The files of a run's folder. */
export async function runFiles(): Promise<Files> {
  return filesBelow(await exampleRun(scratchFolder()));
}

const progress = { step: 2, steps: 9, metrics: { loss: 0.25 }, perSecond: 20, secondsLeft: 3 };
const adapter = { description: 'An adapter', device: 'd', vendor: 'v', architecture: 'a' } as never;
const events: LiveEvent[] = [
  { event: 'run', name: 'fox', out: '/out', seed: 7, stages: ['load', 'train'], adapter },
  { event: 'cached', stage: 'load', key: 'k', seconds: 2 },
  { event: 'stage', stage: 'train', index: 1, count: 2 },
  { event: 'metrics', stage: 'train', lines: ['{"step":1,"loss":0.5}', '{"step":2,"loss":0.25}'] },
  { event: 'progress', stage: 'train', ...progress },
  { event: 'preview' },
  { event: 'warn', stage: 'train', text: 'it is slow' },
  { event: 'done', stage: 'train', seconds: 3 },
];
const EVENTS = join(LIVE, EVENTS_FILE);

/** `example@…` in `store`: two stages with saved work. */
const KEYS = ['2', '5'].map((digit) => digit.repeat(64));
const entryOf = (key: string) => `store/entries/${key.slice(0, 2)}/${key}`;
const KEPT = `store/runs/example/${'f'.repeat(64)}.json`;

async function keptRun(): Promise<Files> {
  const folder = scratchFolder();
  const run = JSON.parse(await readFile(join(await exampleRun(scratchFolder()), 'run.json'), 'utf8'));
  const [train, score] = KEYS;
  const store = new Store(join(folder, 'store'));
  const about = { run: 'example', seconds: 1, peakBytes: 1, parts: {} };
  await store.commit(train, async (draft) => {
    put(draft, 'files/log/train.txt', 'trained');
    return { identity: {}, about: { ...about, stage: 'train', artefacts: {} } };
  });
  await store.commit(score, async (draft) => {
    put(draft, 'artefacts/scores/scores.json', formatScores({ scores: run.scores }));
    return {
      identity: {},
      about: { ...about, stage: 'score', artefacts: { scores: { key: score, name: 'scores' } } },
    };
  });
  const stages = run.stages.filter(({ key }: { key: string }) => KEYS.includes(key));
  const files = [{ path: 'scores.json', bytes: 1, sha256: score, stage: 'score', key: score }];
  put(folder, KEPT, JSON.stringify({ ...run, stages, files, store: '../..' }));
  // That of an earlier run, in the folder to which the kept one is restored.
  put(folder, 'out/run.json', JSON.stringify({ ...run, files }));
  return filesBelow(folder);
}

/** Runs that go on, and runs in the store. */
export const RUNS: readonly Target[] = [
  {
    name: 'running run',
    files: async () => ({
      [EVENTS]: events.map((event, i) => `${JSON.stringify({ at: i, ...event })}\n`).join(''),
      // `view` takes the run for one of this process.
      [LOCK]: OWNER,
    }),
    changes: { [EVENTS]: 'text' },
    weight: 2,
    async read(folder) {
      const run = new LiveRun(folder);
      await run.update();
      const { error, notes } = run.report;
      const damage =
        error ?? notes.find(({ text }) => text.includes('left out') || text.includes('not shown'))?.text;
      if (damage) throw new InputError(damage, folder);
    },
  },
  {
    name: 'kept run',
    files: keptRun,
    changes: {
      [KEPT]: 'json',
      'out/run.json': 'json',
      'store/store.json': 'json',
      ...Object.fromEntries(KEYS.map((key) => [`${entryOf(key)}/${RECORD}`, 'json' as const])),
    },
    weight: 2,
    // A restored folder, and a store without its damaged entries, are written: a copy of them.
    async read(folder) {
      const copy = `${folder}-restored`;
      await rm(copy, { recursive: true, force: true });
      await cp(folder, copy, { recursive: true });
      const store = new Store(join(copy, 'store'));
      await restoreRun(await findRun('example@ff', store), join(copy, 'out'), { gpu: {} as Gpu });
    },
  },
];
