/**
 * Runs that are killed or interrupted, lack disk space, find damaged files, have a wrong clock or run concurrently end with the
 * bytes of an undisturbed one. Processes of `splatline run`, on the pipeline in faults/.
 */
import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Store } from '../pipeline/store/store.ts';
import { contentsOf, firstDifference, leftovers, stagesOf } from './faults/contents.ts';
import { atStep, type Ending, Job, type JobEvent, ranIn, resumesIn, warningsIn } from './faults/job.ts';
import { planKill } from './faults/kill.ts';
import { Random } from './faults/random.ts';
import { SmallDisk } from './faults/small-disk.ts';
import { describe, faultIn, placesIn, type Reference, trial, undisturbed } from './faults/trial.ts';
import { scratchFolder } from './helpers/scratch.ts';
import { testUnless } from './helpers/skip.ts';

const KILLS = 5;
/** Most tests need no more than this: a stage that is done at once, and one that keeps checkpoints. */
const SHORT = ['--until', 'train'];
const SHORT_STAGES = ['init', 'train'];

interface Places {
  out: string;
  store: string;
}

const scratch = scratchFolder();
const referencePlaces = placesIn(join(scratch, 'undisturbed'));
let reference: Reference;

test.before(async () => {
  reference = await undisturbed(join(scratch, 'undisturbed'));
});

let folders = 0;
async function freshPlaces(): Promise<Places> {
  const folder = join(scratch, String(folders++));
  await mkdir(folder);
  return placesIn(folder);
}

function start(places: Places, env: Record<string, string> = {}, args = SHORT): Job {
  return new Job({ ...places, env, args });
}

/** Runs up to train; it must end well. */
async function finish(places: Places, env?: Record<string, string>): Promise<readonly JobEvent[]> {
  const job = start(places, env);
  await endsWell(job);
  return job.events;
}

async function endsWell(job: Job): Promise<void> {
  const { code, stderr } = await job.ended;
  assert.is(code, 0, stderr);
}

async function isAsUndisturbed({ out }: Places): Promise<void> {
  const expected = stagesOf(reference.contents, SHORT_STAGES);
  assert.is(firstDifference(expected, stagesOf(await contentsOf(out), SHORT_STAGES)), undefined);
}

/** Starts a run and kills it when train has come so far. */
async function killedAtStep(places: Places, step: number): Promise<void> {
  const job = start(places);
  await job.reached(atStep('train', step));
  job.kill();
  assert.is((await job.ended).code, null);
}

function lastStep(events: readonly JobEvent[]): number {
  const steps = events.flatMap((event) => (event.event === 'progress' ? [event.step] : []));
  return steps.at(-1) ?? 0;
}

async function manifestOf(out: string) {
  const text = await readFile(join(out, 'run.json'), 'utf8');
  return JSON.parse(text) as { status: string; stages: { id: string; key: string }[] };
}

/** The folders of train's checkpoints, the newest last. */
async function checkpointsOf({ store }: Places): Promise<string[]> {
  const [key, ...others] = await readdir(join(store, 'checkpoints'));
  assert.equal(others, [], 'only train is unfinished');
  const folder = join(store, 'checkpoints', key);
  return (await readdir(folder)).sort().map((step) => join(folder, step));
}

test('the trials compare the splat, the tensors, the frames and the scores, and detect one byte', async () => {
  const paths = [...reference.contents.keys()];
  for (const path of [
    'splat.ply',
    'base.ply',
    'scores.json',
    'frames/0007.png',
    'stages/init/gaussians/gaussians.safetensors',
    'stages/train/gaussians/gaussians.safetensors',
    'stages/stylize/gaussians/gaussians.safetensors',
    'stages/orbit/frames/frames.bin',
    'stages/score/stage.json',
  ]) {
    assert.ok(paths.includes(path), `${path} in ${paths}`);
  }
  const copy = join(scratch, 'copy');
  await cp(referencePlaces.out, copy, { recursive: true });
  assert.is(firstDifference(reference.contents, await contentsOf(copy)), undefined);
  await flipByte(join(copy, 'stages/train/gaussians/gaussians.safetensors'));
  const difference = firstDifference(reference.contents, await contentsOf(copy));
  assert.is(difference, 'stages/train/gaussians/gaussians.safetensors has other bytes');
});

test(`${KILLS} runs, each killed once at a random instant, end with the same bytes`, async () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const random = new Random(seed);
  const lines: string[] = [];
  let ok = 0;
  for (let index = 0; index < KILLS; index++) {
    const kind = index % 2 ? 'aimed' : 'uniform';
    const outcome = await trial(join(scratch, `kill-${index}`), reference, 1, () =>
      planKill(random, kind, reference),
    );
    if (outcome.fault === undefined) ok++;
    lines.push(`${kind}: ${describe(outcome)}`);
  }
  assert.is(`${ok}/${KILLS}`, `${KILLS}/${KILLS}`, `seed ${seed}\n${lines.join('\n')}`);
});

test('SIGINT and SIGTERM save first and exit 130 and 143; a second signal exits at once', async () => {
  const places = await freshPlaces();
  let saved = 0;
  for (const [signal, code, word] of [
    ['SIGINT', 130, 'interrupted'],
    ['SIGTERM', 143, 'terminated'],
  ] as const) {
    const job = start(places);
    await job.reached(atStep('train', saved + 8));
    job.signal(signal);
    const ending = await job.ended;
    assert.is(ending.code, code, ending.stderr);
    assert.match(ending.stderr, `${word}: saving unfinished work`);
    assert.is((await manifestOf(places.out)).status, 'stopped');
    if (saved) assert.equal(resumesIn(job.events), [{ stage: 'train', step: saved }]);
    saved = lastStep(job.events); // every reported step is kept, although no checkpoint was due
    assert.equal(await leftovers(places), []);
  }
  const twice = start(places);
  await twice.reached(atStep('train', saved + 6));
  // Two that are not the same: two of one kind, sent so soon after each other, are one.
  twice.signal('SIGINT');
  twice.signal('SIGTERM');
  const { code, stderr } = await twice.ended;
  // Which of the two a busy process hears first is the system's to say; the second one ends it.
  const words = /(\w+): saving unfinished work; a second signal exits at once\n\n(\w+)\n/.exec(stderr);
  assert.equal(words?.slice(1).sort(), ['interrupted', 'terminated'], stderr);
  assert.is(code, words?.[2] === 'terminated' ? 143 : 130, stderr);
  assert.is((await manifestOf(places.out)).status, 'running', 'it did not stop to say so');
  assert.equal(await leftovers(places), [], 'it still removed half-written files');
  const [resumed] = resumesIn(await finish(places));
  assert.ok(resumed.step >= saved, `went on from ${resumed.step}, after ${saved} had been saved`);
  await isAsUndisturbed(places);
});

/** Room for init and one checkpoint of train, but not for a second or for train itself. */
const SMALL_KIB = 3072;

const DISK = 'a full disk ends the run in a sentence, a read-only one is refused unless all is done';
const disk = await SmallDisk.mount(SMALL_KIB);
if (disk instanceof SmallDisk) test(DISK, () => onSmallDisk(disk));
else testUnless(test, disk, DISK, () => undefined);

async function onSmallDisk(disk: SmallDisk): Promise<void> {
  try {
    const places = { out: join(scratch, 'disk-out'), store: join(disk.folder, 'store') };
    const full = start(places);
    const fullEnding = await full.ended;
    refusedFor(fullEnding, places.store, /no space is left on the disk \(ENOSPC\)/);
    assert.match(warningsIn(full.events).join(), /checkpoint after step \d+ could not be saved/);
    assert.equal(await leftovers(places), []);
    assert.is((await manifestOf(places.out)).status, 'failed');
    const store = new Store(places.store);
    const [init, train] = await shortKeys();
    assert.equal(await store.keys(), [init], 'init is kept, and nothing of train');
    assert.ok(await store.find(init, ['artefacts', 'files']));

    await disk.resize(8 * SMALL_KIB);
    const events = await finish(places);
    assert.is(resumesIn(events).length, 1, 'the checkpoint that found room was used');
    assert.equal(ranIn(events), ['train']);
    await isAsUndisturbed(places);
    assert.ok(await store.find(train));

    await disk.makeReadOnly();
    assert.equal(ranIn(await finish(places)), []);
    await isAsUndisturbed(places);
    const more = start(places, {}, ['--until', 'stylize']);
    refusedFor(await more.ended, places.store, /read-only \(EROFS\)/);
    const begun = more.events.flatMap((event) => (event.event === 'stage' ? [event.stage] : []));
    assert.not.ok(begun.includes('stylize'), 'refused before the work, not after');
    await isAsUndisturbed(places);
  } finally {
    await disk.unmount();
  }
}

function refusedFor({ code, stderr }: Ending, store: string, reason: RegExp): void {
  assert.is(code, 2, stderr);
  const sentences = stderr.split('\n').filter((line) => line.includes(store));
  assert.is(sentences.length, 1, stderr);
  assert.match(sentences[0], reason);
  assert.not.match(stderr, /^ +at /m);
}

/** The keys of init and train. */
async function shortKeys(): Promise<string[]> {
  const { stages } = await manifestOf(referencePlaces.out);
  return SHORT_STAGES.map((id) => stages.find((stage) => stage.id === id)!.key);
}

test('a truncated checkpoint is reported and the previous one is used; without any, the stage restarts', async () => {
  const places = await freshPlaces();
  await killedAtStep(places, 24);
  // A kill right after a save leaves a third one, which that save would have removed.
  const [older, newer] = (await checkpointsOf(places)).slice(-2);
  assert.ok(newer, 'two are kept');
  await cut(newer);
  const job = start(places);
  await job.reached(atStep('train', 36));
  job.kill();
  await job.ended;
  assert.equal(resumesIn(job.events), [{ stage: 'train', step: Number(older.split('/').at(-1)) }]);
  assert.match(warningsIn(job.events).join(), /damaged/);
  const left = await checkpointsOf(places);
  for (const checkpoint of left) await cut(checkpoint);
  const events = await finish(places);
  assert.equal(resumesIn(events), []);
  assert.is(warningsIn(events).length, left.length);
  await isAsUndisturbed(places);
});

async function cut(checkpoint: string): Promise<void> {
  await truncate(join(checkpoint, 'tensors.bin'), 1000);
}

test('a damaged entry of the store is reported and recomputed', async () => {
  const places = await freshPlaces();
  await cp(referencePlaces.store, places.store, { recursive: true });
  const { stages } = await manifestOf(referencePlaces.out);
  const fileOf = (id: string, path: string) => {
    const { key } = stages.find((stage) => stage.id === id)!;
    return join(places.store, 'entries', key.slice(0, 2), key, path);
  };
  await flipByte(fileOf('train', 'artefacts/gaussians/gaussians.safetensors'));
  await flipByte(fileOf('orbit', 'files/frames/0003.png'));
  const job = start(places, {}, []);
  await endsWell(job);
  assert.equal(ranIn(job.events), ['train', 'orbit']);
  assert.is(warningsIn(job.events).filter((text) => text.includes('damaged')).length, 2);
  assert.is(await faultIn(places, reference.contents), undefined);
});

async function flipByte(file: string): Promise<void> {
  const bytes = await readFile(file);
  bytes[bytes.length >> 1] ^= 1;
  await chmod(file, 0o644);
  await writeFile(file, bytes);
}

test('a clock that goes backwards changes nothing', async () => {
  const places = await freshPlaces();
  const began = Date.now();
  await killedAtStep(places, 20);
  const clock = new URL('./faults/backwards-clock.mjs', import.meta.url);
  const events = await finish(places, { NODE_OPTIONS: `--import=${clock.href}` });
  assert.is(resumesIn(events).length, 1);
  const { made } = JSON.parse(await readFile(join(places.out, 'stages/train/stage.json'), 'utf8'));
  assert.ok(Date.parse(made) < began - 3_600_000, `${made} is of the wrong clock`);
  await isAsUndisturbed(places);
});

test('two runs at once in one folder: one computes, the other reports that it waits', async () => {
  const places = await freshPlaces();
  const jobs = [start(places), start(places)];
  await Promise.all(jobs.map(endsWell));
  assert.equal(
    jobs.flatMap(({ events }) => ranIn(events)),
    SHORT_STAGES,
    'each stage once, and both by the same run',
  );
  const waits = jobs.map(({ events }) => waitsIn(events));
  assert.is(waits.filter((texts) => texts.length > 0).length, 1);
  assert.match(waits.flat()[0], /^process \d+ is writing to .*; waiting until it ends$/);
  await isAsUndisturbed(places);
  assert.equal(await leftovers(places), []);
});

test('two runs at once on one store: one computes, the other reports that it waits, and uses the result', async () => {
  const [one, two] = await placesOnOneStore();
  const first = start(one);
  await first.reached(atStep('train', 12));
  first.signal('SIGSTOP'); // so that the other finds it at work, however slow it is to start
  const second = start(two);
  const wait = await second.reached(({ event }) => event === 'wait');
  assert.is('stage' in wait && wait.stage, 'train');
  assert.match('text' in wait ? wait.text : '', /^process \d+ is running it; waiting for the result$/);
  first.signal('SIGCONT');
  await Promise.all([first, second].map(endsWell));
  assert.equal([ranIn(first.events), ranIn(second.events)], [SHORT_STAGES, []]);
  await Promise.all([one, two].map(isAsUndisturbed));
  assert.equal(await leftovers(one), []);
});

test('if the running process is killed, the waiting one resumes from its checkpoint', async () => {
  const [one, two] = await placesOnOneStore();
  const first = start(one);
  await first.reached(atStep('train', 20));
  first.signal('SIGSTOP');
  const second = start(two);
  await second.reached(({ event }) => event === 'wait');
  first.kill();
  await endsWell(second);
  assert.equal(ranIn(second.events), ['train']);
  assert.is(resumesIn(second.events).length, 1);
  assert.equal(warningsIn(second.events), []);
  await isAsUndisturbed(two);
  assert.not(existsSync(join(one.out, 'splat.ply')));
});

async function placesOnOneStore(): Promise<[Places, Places]> {
  const places = await freshPlaces();
  return [places, { ...places, out: `${places.out}-2` }];
}

function waitsIn(events: readonly JobEvent[]): string[] {
  return events.flatMap((event) => (event.event === 'wait' ? [event.text] : []));
}

test.run();
