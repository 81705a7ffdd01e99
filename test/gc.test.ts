/** What gc frees, and what it keeps. */
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type CollectOptions, collect, orderOfUse, type StoreItem } from '../pipeline/store/gc.ts';
import type { Store } from '../pipeline/store/store.ts';
import { put, scratchFolder } from './helpers/scratch.ts';
import { commit, keyOf, newStore, startChild } from './helpers/store-bench.ts';

const [A, B, C, D, E] = [1, 2, 3, 4, 5].map(keyOf);
const DAY = 24 * 3600 * 1000;

/** An entry of 100 bytes, last used so many days ago, that refers to others. */
async function entry(store: Store, key: string, days: number, refers: string[] = []) {
  const { folder } = await commit(store, key, { x: 'x'.repeat(100) }, { refers });
  await setAge(join(folder, 'entry.json'), days);
}

async function setAge(path: string, days: number): Promise<void> {
  const seconds = (Date.now() - days * DAY) / 1000;
  await utimes(path, seconds, seconds);
}

async function checkpoint(store: Store, key: string, days: number) {
  const files = store.checkpoints(key);
  await files.save({ step: 1, numbers: {}, tensors: { x: new Uint8Array(1000) } });
  await setAge(files.folder, days);
}

/** A run's folder, noted in the store. */
async function run(store: Store, folder: string, keys: string[]): Promise<string> {
  put(folder, 'run.json', '{}');
  await store.runs.remember(folder, keys);
  return folder;
}

const brief = (items: StoreItem[]) => items.map(({ what, name }) => `${what} ${name.slice(0, 2)}`);
const bytesOf = (items: StoreItem[]) => items.reduce((sum, { bytes }) => sum + bytes, 0);
const whyOf = (items: StoreItem[], key: string) => items.find(({ name }) => name === key)?.why;

/** Checks that a dry run lists what a real one then frees. */
async function both(store: Store, options: CollectOptions) {
  const before = await store.keys();
  const dry = await collect(store, { ...options, dryRun: true });
  assert.equal(await store.keys(), before);
  for (const { path } of dry.freed) assert.ok(existsSync(path), path);
  const wet = await collect(store, options);
  assert.equal(brief(wet.freed), brief(dry.freed));
  assert.equal(wet.kept, dry.kept);
  assert.is(bytesOf(wet.freed), bytesOf(dry.freed));
  for (const { path } of wet.freed) assert.not(existsSync(path), path);
  for (const { path } of wet.kept) assert.ok(existsSync(path), path);
  return { ...wet, bytes: bytesOf(wet.freed) };
}

test('without a store, gc frees and creates nothing', async () => {
  const { store, root } = newStore();
  assert.equal(await collect(store, { olderThanMs: 0 }), { freed: [], kept: [] });
  assert.not(existsSync(root));
});

test('by age: entries that no run needs; those that a run needs stay, with all that they refer to', async () => {
  const { store } = newStore();
  for (const [key, refers] of [
    [A, [B]],
    [B, [C]],
    [C, []],
    [D, []],
  ] as const)
    await entry(store, key, 30, [...refers]);
  await entry(store, E, 1);
  const folder = await run(store, join(scratchFolder(), 'run'), [A]);
  const { freed, kept, bytes } = await both(store, { olderThanMs: 7 * DAY });
  assert.equal(brief(freed), ['entry 44']);
  assert.match(freed[0].why, /^not used since \d{4}-/);
  assert.is(bytes, 100);
  for (const key of [A, B, C]) assert.is(whyOf(kept, key), `the run in ${folder} needs it`);
  assert.is(whyOf(kept, E), 'no limit asks for it');
  assert.equal(await store.keys(), [A, B, C, E]);
});

test('a run whose run.json is gone is no longer kept, and its note goes; one that runs again needs other keys', async () => {
  const { store } = newStore();
  for (const key of [A, B, C]) await entry(store, key, 30);
  const gone = await run(store, join(scratchFolder(), 'gone'), [A]);
  const again = await run(store, join(scratchFolder(), 'again'), [B]);
  await run(store, again, [C]);
  await rm(join(gone, 'run.json'));
  const { freed } = await both(store, { olderThanMs: DAY });
  assert.equal(
    freed.filter(({ what }) => what === 'run').map(({ name }) => name),
    [gone],
  );
  assert.equal(await store.keys(), [C]);
  assert.equal(
    (await store.runs.all()).map(({ folder }) => folder),
    [again],
  );
  await rm(again, { recursive: true });
  assert.equal(brief((await both(store, { olderThanMs: DAY })).freed), [
    `run ${again.slice(0, 2)}`,
    'entry 33',
  ]);
});

test('a store that was moved together with its runs keeps what they need', async () => {
  const folder = scratchFolder();
  const { store } = newStore(join(folder, 'out', '.store'));
  await entry(store, A, 30);
  await run(store, join(folder, 'out', 'demo'), [A]);
  await rename(join(folder, 'out'), join(folder, 'moved'));
  const moved = newStore(join(folder, 'moved', '.store')).store;
  const { freed, kept } = await both(moved, { olderThanMs: DAY });
  assert.equal(freed, []);
  assert.is(whyOf(kept, A), `the run in ${join(folder, 'moved', 'demo')} needs it`);
});

test('by size: the least recently used first, until the rest fits; entries of runs stay', async () => {
  const { store } = newStore();
  for (const [key, days] of [
    [A, 1],
    [B, 9],
    [C, 5],
    [D, 7],
  ] as const)
    await entry(store, key, days);
  await run(store, join(scratchFolder(), 'run'), [B]);
  const { freed, bytes } = await both(store, { maxBytes: 250 });
  assert.equal(brief(freed), ['entry 44', 'entry 33']);
  assert.is(freed[0].why, 'the store holds 400 bytes, and 250 are allowed');
  assert.is(bytes, 200);
  assert.equal(brief((await both(store, { maxBytes: 0 })).freed), ['entry 11']);
  assert.equal(await store.keys(), [B]);
});

test('nothing is freed before what refers to it', async () => {
  const { store } = newStore();
  await entry(store, A, 50); // old itself, but B and C refer to it
  await entry(store, B, 3, [A]);
  await entry(store, C, 40, [A]);
  await entry(store, D, 10);
  assert.equal(brief((await both(store, { maxBytes: 300 })).freed), ['entry 33']);
  assert.equal(brief((await both(store, { maxBytes: 200 })).freed), ['entry 44']);
  assert.equal(brief((await both(store, { maxBytes: 100 })).freed), ['entry 22']);
  assert.equal(brief((await both(store, { maxBytes: 0 })).freed), ['entry 11']);
  const item = { what: 'entry', name: '', path: '', bytes: 0 } as const;
  const cycle = new Map([
    ['a', { item, usedAt: 1, refers: ['b'] }],
    ['b', { item, usedAt: 2, refers: ['a'] }],
  ]);
  assert.is(orderOfUse(cycle).length, 2);
});

test('a locked key stays, and what it refers to', async () => {
  const { store, root } = newStore();
  await entry(store, A, 30, [B]);
  await entry(store, B, 30);
  await checkpoint(store, C, 30);
  const lock = await store.lock(A);
  const other = await store.lock(C);
  const { freed, kept } = await both(store, { olderThanMs: DAY, maxBytes: 0 });
  assert.equal(freed, []);
  assert.is(whyOf(kept, A), `in use by process ${process.pid}`);
  assert.is(whyOf(kept, B), `${A} needs it`);
  assert.is(whyOf(kept, C), `in use by process ${process.pid}`);
  await lock.release();
  await other.release();
  assert.is((await both(store, { olderThanMs: DAY })).freed.length, 3);
  assert.equal(await readdir(join(root, 'locks')), []);
});

test('checkpoints are freed when their stage is finished, or by age; those that a kept run resumes from stay', async () => {
  const { store } = newStore();
  await entry(store, A, 0);
  for (const [key, days] of [
    [A, 0],
    [B, 30],
    [C, 30],
    [D, 0],
  ] as const)
    await checkpoint(store, key, days);
  await run(store, join(scratchFolder(), 'stopped'), [B]);
  const byNature = await both(store, {});
  assert.equal(brief(byNature.freed), ['checkpoints 11']);
  assert.is(byNature.freed[0].why, 'the stage is finished');
  assert.ok(byNature.bytes > 1000);
  assert.equal(brief((await both(store, { olderThanMs: 7 * DAY })).freed), ['checkpoints 33']);
  assert.equal(await store.checkpoints(B).steps(), [1]);
  assert.equal(await store.checkpoints(D).steps(), [1]);
  assert.is((await store.find(A))?.key, A);
});

test('without a limit, only garbage is freed: damaged entries, leftovers and locks of dead processes', async () => {
  const { store, root, damaged } = newStore();
  await entry(store, A, 1000);
  await entry(store, B, 0);
  await store.setAside(B, 'a test');
  const living = await store.newEntry();
  const [holder, writer] = await Promise.all([startChild(root, C, 'hold'), startChild(root, C, 'write')]);
  await holder.line();
  const left = await writer.line();
  await Promise.all([holder.kill(), writer.kill()]);
  const tmp = join(root, 'tmp');
  for (const [name, days] of [
    ['stranger-new', 6],
    ['stranger-old', 8],
  ] as const) {
    await mkdir(join(tmp, name));
    await writeFile(join(tmp, name, 'x'), 'xyz');
    await setAge(join(tmp, name), days);
  }
  const dry = await collect(store, { dryRun: true });
  assert.ok(existsSync(left));
  const { freed } = await collect(store);
  for (const items of [dry.freed, freed]) {
    assert.equal(
      items.map(({ what }) => what),
      ['leftover', 'leftover', 'lock', 'damaged'],
    );
    assert.is(items.find(({ path }) => path === left)?.bytes, 4);
  }
  assert.not(existsSync(left));
  assert.equal((await readdir(tmp)).sort(), [living.folder.slice(tmp.length + 1), 'stranger-new'].sort());
  assert.equal(await readdir(join(root, 'locks')), []);
  assert.equal(await readdir(join(root, 'damaged')), []);
  assert.ok(await store.find(A));
  assert.equal(damaged, []);
  await living.discard();
});

test('damage that no run has found is found and freed', async () => {
  const { store, damaged } = newStore();
  const { folder } = await commit(store, A, { x: 'abc' });
  await truncate(join(folder, 'x'), 1);
  const { freed } = await collect(store);
  assert.equal(
    freed.map(({ what }) => what),
    ['damaged'],
  );
  assert.is(damaged.length, 1);
  assert.equal(await store.keys(), []);
});

test('a damaged note of a run is an error, because the needs of that run are unknown', async () => {
  const { store, root } = newStore();
  await entry(store, A, 30);
  await run(store, join(scratchFolder(), 'run'), [A]);
  const [name] = await readdir(join(root, 'runs'));
  await writeFile(join(root, 'runs', name), '{');
  const message = await collect(store, { olderThanMs: 0 }).then(
    () => '',
    (error: Error) => error.message,
  );
  assert.match(message, /not a note of a run, or damaged; delete it/);
  assert.equal(await store.keys(), [A]);
});

test.run();
