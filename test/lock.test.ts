/** Locks between processes: one holds, others wait; a lease ends with its process, or a minute after its last refresh. */
import { existsSync, writeFileSync } from 'node:fs';
import { readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { HOST, holderOf, isDead, lock } from '../pipeline/store/lock.ts';
import { scratchFolder } from './helpers/scratch.ts';
import { $ } from './helpers/shell.ts';
import { testUnless } from './helpers/skip.ts';
import { keyOf, newStore, startChild } from './helpers/store-bench.ts';

const CHILD = fileURLToPath(new URL('./helpers/store-child.ts', import.meta.url));
const KEY = keyOf(7);
/** A lease is refreshed every 20 ms. */
const QUICK = { expiry: 300 };
/** Term of a lease without refreshes; long enough that it is seen on a busy machine before it ends. */
const UNHURRIED = { expiry: 1500 };
const newLease = (folder = scratchFolder()) => ({ folder, file: join(folder, `${KEY}.lock`) });
const ELSEWHERE = `not-${hostname()}`;
const DEAD_PID = 2 ** 22 + 1;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Takes the lock; the milliseconds that it took, and the holders that it waited for. */
async function timed(file: string, options = QUICK) {
  const start = performance.now();
  const holders: string[] = [];
  const taken = await lock(file, { ...options, onWait: (holder) => void holders.push(holder) });
  return { taken, ms: performance.now() - start, holders };
}

test('a second process sees the holder, reports it once, and gets the lock when it is released', async () => {
  const { folder, file } = newLease();
  const first = await lock(file, QUICK);
  const holder = `process ${process.pid}`;
  assert.is(holderOf(file), holder);
  const waiting = timed(file);
  await sleep(100);
  first.release();
  const { taken, holders } = await waiting;
  assert.equal(holders, [holder]);
  first.release(); // does not touch the other's
  assert.ok(existsSync(file));
  taken.release();
  assert.equal(await readdir(folder), []);
  assert.is(holderOf(file), undefined);
});

test('a lease that its owner has just created is reported under the name that the owner writes', async () => {
  const { file } = newLease();
  await writeFile(file, '');
  const waiting = timed(file, { expiry: 20_000 }); // looks every 50 ms
  await writeFile(file, `${process.pid}@${HOST}`);
  await sleep(100);
  await rm(file);
  const { taken, holders } = await waiting;
  taken.release();
  assert.equal(holders, [`process ${process.pid}`]);
});

test('waiting ends with the reason of the signal', async () => {
  const { folder, file } = newLease();
  const first = await lock(file, QUICK);
  const stop = new AbortController();
  const options = { ...QUICK, signal: stop.signal };
  const waiting = lock(file, options).then(
    () => 'got it',
    (error: Error) => error.message,
  );
  await sleep(30);
  stop.abort(new Error('enough'));
  assert.is(await waiting, 'enough');
  assert.is(await lock(file, options).catch((error: Error) => error.message), 'enough');
  first.release();
  assert.equal(await readdir(folder), []);
});

test('the lock of a killed process is taken over at once', async () => {
  const { store, root } = newStore();
  const child = await startChild(root, KEY, 'hold');
  assert.is(await child.line(), 'holds');
  assert.is(store.holder(KEY), `process ${child.pid}`);
  let waitedFor: string | undefined;
  const waiting = store.lock(KEY, { onWait: (holder) => (waitedFor = holder) });
  await sleep(300);
  assert.is(waitedFor, `process ${child.pid}`);
  await child.kill();
  const taken = await waiting;
  assert.is(store.holder(KEY), `process ${process.pid}`);
  taken.release();
  assert.equal(await readdir(join(root, 'locks')), []);
});

test('a process that ends while it holds a lock releases it', async () => {
  const { store, root } = newStore();
  const child = await startChild(root, KEY, 'exit');
  assert.is(await child.ended(), 0);
  assert.equal(await readdir(join(root, 'locks')), []);
  assert.is(store.holder(KEY), undefined);
});

test('three processes count under one lock: no count is lost', async () => {
  const { root } = newStore();
  await newStore(root).store.writable();
  await writeFile(join(root, 'count'), '0');
  const children = await Promise.all([1, 2, 3].map(() => startChild(root, KEY, 'count')));
  assert.equal(await Promise.all(children.map((child) => child.ended())), [0, 0, 0]);
  assert.is(await readFile(join(root, 'count'), 'utf8'), '60');
  assert.equal(await readdir(join(root, 'locks')), []);
});

test('many waiters in one process for a dead owner: one at a time holds the lock', async () => {
  const { folder, file } = newLease();
  await writeFile(file, `${DEAD_PID}@${HOST}`);
  let inside = 0;
  await Promise.all(
    Array.from({ length: 20 }, async () => {
      const taken = await lock(file, QUICK);
      assert.is(++inside, 1);
      await sleep(1);
      inside--;
      taken.release();
    }),
  );
  assert.equal(await readdir(folder), []);
});

test('an owner whose pid is free is dead; one whose pid is in use again must refresh its lease', async () => {
  const { file } = newLease();
  assert.ok(isDead(`${DEAD_PID}@${HOST}`));
  assert.not(isDead(`${process.ppid}@${HOST}`));
  await writeFile(file, `${DEAD_PID}@${HOST}`);
  assert.is(holderOf(file), undefined);
  const dead = await timed(file);
  assert.equal(dead.holders, []);
  dead.taken.release();
  await writeFile(file, `${process.ppid}@${HOST}`);
  assert.is(holderOf(file), `process ${process.ppid}`);
  const reused = await timed(file);
  assert.equal(reused.holders, [`process ${process.ppid}`]);
  assert.ok(reused.ms >= 0.9 * QUICK.expiry, `${reused.ms} ms`);
  reused.taken.release();
});

const unshare = ['unshare', '--fork', '--pid', '--mount-proc', '--kill-child'];
const { exitCode: refused } = await $({ nothrow: true })`${unshare} true`;
testUnless(
  test,
  refused ? 'this system creates no namespace of process ids' : undefined,
  'a process of another namespace on this host is not taken for dead: neither its lease nor its draft',
  async () => {
    const { store, root } = newStore();
    const start = (what: string) => {
      const command = [...unshare, process.execPath, '--import', 'tsx', CHILD, root, KEY, what];
      return $({ nothrow: true })`${command}`;
    };
    const children = ['hold', 'write'].map(start);
    try {
      const [holder, writer] = await Promise.all(
        children.map(async ({ stdout }) => {
          const lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
          return { pid: (await lines.next()).value, line: (await lines.next()).value };
        }),
      );
      assert.is(store.holder(KEY), `process ${holder.pid} on ${hostname()}`);
      await store.tidy();
      assert.is(store.holder(KEY), `process ${holder.pid} on ${hostname()}`);
      assert.equal(await readdir(join(root, 'tmp')), [basename(writer.line)]);
    } finally {
      await Promise.all(children.map((child) => child.kill('SIGKILL')));
    }
  },
);

test('the lease of an owner elsewhere ends without refreshes, whatever runs under its pid here', async () => {
  const { file } = newLease();
  for (const pid of [process.pid, DEAD_PID]) {
    const owner = `${pid}@${ELSEWHERE}`;
    assert.not(isDead(owner));
    // Nothing is awaited until `lock` sees the lease, so a busy machine does not age it.
    const written = Date.now();
    writeFileSync(file, owner);
    const holder = `process ${pid} on ${ELSEWHERE}`;
    assert.is(holderOf(file), holder);
    const { taken, holders } = await timed(file, UNHURRIED);
    const age = Date.now() - written;
    assert.ok(age >= 0.9 * UNHURRIED.expiry, `${age} ms`);
    assert.equal(holders, [holder]);
    taken.release();
  }
});

test('an owner elsewhere that refreshes its lease is waited for, however long', async () => {
  const { file } = newLease();
  const stop = new AbortController();
  await writeFile(file, `${process.pid}@${ELSEWHERE}`);
  const timer = setInterval(() => utimes(file, new Date(), new Date()), 50);
  const waiting = lock(file, { ...QUICK, signal: stop.signal }).catch((error: Error) => error.message);
  await sleep(3 * QUICK.expiry);
  stop.abort(new Error('still refreshed'));
  clearInterval(timer);
  assert.is(await waiting, 'still refreshed');
});

test('a held lock is refreshed, and a refresh never reaches the lock of a process that took over', async () => {
  const { file } = newLease();
  const held = await lock(file, QUICK);
  const first = await refreshedAt(file);
  for (let i = 0; i < 200 && (await refreshedAt(file)) === first; i++) await sleep(10);
  assert.not.equal(await refreshedAt(file), first);
  // Another host found it expired: it removes the file and makes its own.
  await rm(file);
  const theirs = `${process.pid}@${ELSEWHERE}`;
  await writeFile(file, theirs);
  const before = await refreshedAt(file);
  await sleep(100);
  assert.is(await refreshedAt(file), before);
  held.release();
  assert.is(await readFile(file, 'utf8'), theirs);
});

const refreshedAt = async (file: string) => (await stat(file, { bigint: true })).mtimeNs;

test('a lease that names no owner, or of an older version, expires', async () => {
  const { folder, file } = newLease();
  for (const text of ['', '0000', `${process.pid}-0123456789ab-ffffffffffff some-host\n`]) {
    const start = performance.now();
    await writeFile(file, text); // killed between creating and writing, or a power cut
    const { taken, holders } = await timed(file);
    const ms = performance.now() - start;
    assert.equal(holders, ['another process']);
    assert.ok(ms >= 0.9 * QUICK.expiry, `${ms} ms`);
    taken.release();
  }
  assert.equal(await readdir(folder), []);
});

test('a lease whose time is in the future, after the clock was set back, does not block', async () => {
  const { file } = newLease();
  await writeFile(file, `${process.pid}@${ELSEWHERE}`);
  const tomorrow = Date.now() / 1000 + 24 * 3600;
  await utimes(file, tomorrow, tomorrow);
  const { taken, holders } = await timed(file);
  assert.equal(holders, []);
  taken.release();
});

test.run();
