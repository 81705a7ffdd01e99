/** The entries that gc frees and keeps. */
import { existsSync } from 'node:fs';
import { readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { gcCommand } from '../pipeline/cli/gc.ts';
import { Checkpoints } from '../pipeline/store/checkpoints.ts';
import { type CollectOptions, collect, type StoreItem } from '../pipeline/store/gc.ts';
import { HOST } from '../pipeline/store/lock.ts';
import type { Store } from '../pipeline/store/store.ts';
import { commit, keyOf, newStore, openDraft, startChild } from './helpers/store-bench.ts';
import { commandOutput } from './helpers/terminal.ts';

const [A, B, C, D] = [1, 2, 3, 4].map(keyOf);
const DAY = 24 * 3600 * 1000;

/** The bytes of each: 100 and the record. */
const SIZE = 476;

/** An entry that was last used so many days ago. All have the same size. */
async function entry(store: Store, key: string, days: number) {
  const { folder } = await commit(store, key, { x: 'x'.repeat(100) });
  assert.is((await stat(join(folder, 'entry.json'))).size + 100, SIZE);
  await setAge(folder, days);
}

async function setAge(path: string, days: number): Promise<void> {
  const seconds = (Date.now() - days * DAY) / 1000;
  await utimes(path, seconds, seconds);
}

async function checkpoint(store: Store, key: string, days: number) {
  const checkpoints = new Checkpoints(store, key);
  await checkpoints.save({ step: 1, numbers: {}, tensors: { x: new Uint8Array(1000) } });
  await setAge(store.path('checkpoints', key), days);
}

/** The name of an owner on another host. */
const foreignOwner = `${process.pid}@not-${HOST}`;

/** The lease of a process on another host, refreshed so many days ago. */
async function foreignLease(store: Store, key: string, days: number): Promise<string> {
  const file = store.path('locks', `${key}.lock`);
  await writeFile(file, foreignOwner);
  await setAge(file, days);
  return file;
}

const brief = (items: StoreItem[]) => items.map(({ what, key }) => `${what} ${key.slice(0, 2)}`);
const bytesOf = (items: StoreItem[]) => items.reduce((sum, { bytes }) => sum + bytes, 0);

/** Checks that a dry run lists exactly the entries that a real one frees. */
async function both(store: Store, options: CollectOptions) {
  const before = await store.keys();
  const dry = await collect(store, { ...options, dryRun: true });
  assert.equal(await store.keys(), before);
  for (const { path } of dry.freed) assert.ok(existsSync(path), path);
  const wet = await collect(store, options);
  assert.equal(brief(wet.freed), brief(dry.freed));
  assert.equal(wet.retained, dry.retained);
  assert.is(bytesOf(wet.freed), bytesOf(dry.freed));
  for (const { path } of wet.freed) assert.not(existsSync(path), path);
  for (const { path } of wet.retained) assert.ok(existsSync(path), path);
  return { ...wet, bytes: bytesOf(wet.freed) };
}

test('without a store, gc frees and creates nothing', async () => {
  const { store, root } = newStore();
  assert.equal(await collect(store, { olderThanMs: 0 }), { freed: [], retained: [] });
  assert.not(existsSync(root));
  const { out } = await commandOutput(gcCommand(), '--store', root, '--older-than', '0');
  assert.is(out, `there is no store in ${root}: nothing to free\n`);
  assert.not(existsSync(root));
});

test('by age: entries that no run has used for that time', async () => {
  const { store } = newStore();
  for (const [key, days] of [
    [A, 30],
    [B, 8],
    [C, 6],
    [D, 0],
  ] as const)
    await entry(store, key, days);
  const { freed, retained, bytes } = await both(store, { olderThanMs: 7 * DAY });
  assert.equal(brief(freed), ['entry 11', 'entry 22']);
  assert.ok(Math.abs(Date.now() - freed[0].usedAt - 30 * DAY) < 60_000);
  assert.is(bytes, 2 * SIZE);
  assert.equal(brief(retained), ['entry 33', 'entry 44']);
  assert.equal(await store.keys(), [C, D]);
  await store.used(C);
  assert.equal((await both(store, { olderThanMs: DAY })).freed, [], 'a use counts');
});

test('by size: the least recently used first, until the rest fits', async () => {
  const { store } = newStore();
  for (const [key, days] of [
    [A, 1],
    [B, 9],
    [C, 5],
    [D, 7],
  ] as const)
    await entry(store, key, days);
  const { freed, bytes } = await both(store, { maxBytes: 2.5 * SIZE });
  assert.equal(brief(freed), ['entry 22', 'entry 44']);
  assert.is(bytes, 2 * SIZE);
  assert.equal(brief((await both(store, { maxBytes: SIZE })).freed), ['entry 33']);
  assert.equal(brief((await both(store, { maxBytes: 0 })).freed), ['entry 11']);
  assert.equal(await store.keys(), []);
});

test('a clock that was set back frees nothing by age', async () => {
  const { store } = newStore();
  await entry(store, A, -30);
  assert.equal((await both(store, { olderThanMs: 0 })).freed, []);
});

test('an entry whose lock a process holds stays', async () => {
  const { store, root } = newStore();
  await entry(store, A, 30);
  await entry(store, B, 30);
  for (const key of [B, C]) await checkpoint(store, key, 30);
  const locks = [await store.lock(A), await store.lock(B), await store.lock(C)];
  const { freed, retained } = await both(store, { olderThanMs: DAY, maxBytes: 0 });
  assert.equal(freed, []);
  assert.equal(brief(retained).sort(), ['checkpoints 22', 'checkpoints 33', 'entry 11', 'entry 22']);
  for (const lock of locks) lock.release();
  assert.is((await both(store, { olderThanMs: DAY })).freed.length, 4);
  assert.equal(await readdir(join(root, 'locks')), []);
});

test('a lease of another host protects its key until it was not refreshed for a minute', async () => {
  const { store, root } = newStore();
  for (const key of [A, B]) await entry(store, key, 30);
  await checkpoint(store, C, 30);
  await foreignLease(store, A, 50 / 3600 / 24);
  await foreignLease(store, B, 70 / 3600 / 24);
  await foreignLease(store, C, 3);
  const { freed, retained } = await both(store, { olderThanMs: DAY });
  assert.equal(brief(freed).sort(), ['checkpoints 33', 'entry 22']);
  assert.equal(brief(retained), ['entry 11']);
  assert.match(String(store.holder(A)), new RegExp(`^process ${process.pid} on not-`));
  assert.is((await readdir(join(root, 'locks'))).length, 3, 'the next owner replaces those that have ended');
});

test('checkpoints are freed by age and size, as entries are', async () => {
  const { store } = newStore();
  await entry(store, A, 0);
  await checkpoint(store, B, 30);
  await checkpoint(store, C, 1);
  const old = await both(store, { olderThanMs: 7 * DAY });
  assert.equal(brief(old.freed), ['checkpoints 22']);
  assert.ok(old.bytes > 1000);
  assert.equal(await new Checkpoints(store, C).steps(), [1]);
  assert.equal(brief((await both(store, { maxBytes: SIZE })).freed), ['checkpoints 33']);
  assert.is((await store.find(A))?.key, A);
});

test('without a limit, only leftovers of dead processes are removed: their drafts and leases', async () => {
  const { store, root } = newStore();
  await entry(store, A, 1000);
  const living = await openDraft(store);
  const [holder, writer] = await Promise.all([startChild(root, C, 'hold'), startChild(root, C, 'write')]);
  await holder.line();
  const left = await writer.line();
  await Promise.all([holder.kill(), writer.kill()]);
  await collect(store, { dryRun: true });
  assert.ok(existsSync(left));
  assert.is((await readdir(join(root, 'locks'))).length, 1);
  const { freed, retained } = await collect(store);
  assert.equal([freed, brief(retained)], [[], ['entry 11']]);
  assert.equal(await readdir(join(root, 'tmp')), [basename(living.folder)]);
  assert.equal(await readdir(join(root, 'locks')), []);
  await living.end();
});

test('a damaged entry is deleted by its age, as a complete one is', async () => {
  const { store, damaged } = newStore();
  await entry(store, A, 30);
  await rm(join(store.folderOf(A), 'entry.json'));
  await setAge(store.folderOf(A), 30);
  assert.equal(brief((await both(store, { olderThanMs: DAY })).freed), ['entry 11']);
  assert.equal(damaged, []);
});

test('the command takes ages in days and sizes in GiB', async () => {
  const { store } = newStore();
  await entry(store, A, 40);
  await entry(store, B, 20.5);
  const gc = (...args: string[]) =>
    gcCommand()
      .exitOverride()
      .configureOutput({ writeErr: () => undefined })
      .parseAsync(['--store', store.root, ...args], { from: 'user' });
  await gc('--keep', '1');
  await gc('--older-than', '40.1');
  assert.equal(await store.keys(), [A, B]);
  await gc('--older-than', '30');
  assert.equal(await store.keys(), [B]);
  await gc('--older-than', '20.4', '--dry-run');
  assert.equal(await store.keys(), [B]);
  await gc('--older-than', '20.4');
  assert.equal(await store.keys(), []);
  await entry(store, A, 1);
  await entry(store, B, 2);
  await gc('--keep', String((1.5 * SIZE) / 2 ** 30));
  assert.equal(await store.keys(), [A]);
  await gc('--keep', '0');
  assert.equal(await store.keys(), []);
  for (const age of ['', 'd', '-1', '30d']) {
    const message = await gc('--older-than', age).catch((error: Error) => error.message);
    assert.match(String(message), /Expected a number of at least 0/);
  }
});

test.run();
