/** Locks between processes: one holds, others wait; the dead are found out without a look at any clock on the wall. */
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Holder, Lock, Locks, type LockTimes } from '../pipeline/store/locks.ts';
import { isRunning, lifeOf, thisProcess } from '../pipeline/store/owner.ts';
import { scratchFolder } from './helpers/scratch.ts';
import { keyOf, newStore, startChild } from './helpers/store-bench.ts';

const KEY = keyOf(7);
const QUICK: Partial<LockTimes> = { poll: 10, beat: 20, silent: 300, abandoned: 300 };
const locksIn = (folder = scratchFolder(), times = QUICK) => ({
  locks: new Locks(folder, times),
  folder,
  file: join(folder, `${KEY}.lock`),
});
const lockText = (owner: object, beat = 0) =>
  `${String(beat).padStart(12, '0')}\n${JSON.stringify({ token: 'theirs', ...thisProcess(), ...owner })}\n`;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Takes the lock and gives the milliseconds that it took, and whom it waited for. */
async function timed(locks: Locks) {
  const start = performance.now();
  const holders: Holder[] = [];
  const lock = await locks.lock(KEY, { onWait: (holder) => void holders.push(holder) });
  return { lock, ms: performance.now() - start, holders };
}

test('one holds it; another sees who, is told once, and gets it when it is given back', async () => {
  const { locks, folder, file } = locksIn();
  const first = await locks.lock(KEY);
  const holder = { pid: process.pid, host: thisProcess().host, here: true };
  assert.equal(await locks.tryLock(KEY), holder);
  assert.equal(locks.holder(KEY), holder);
  assert.equal(await locks.keys(), [KEY]);
  const waiting = timed(new Locks(folder, QUICK));
  await sleep(100);
  await first.release();
  const { lock, holders } = await waiting;
  assert.equal(holders, [holder]);
  await first.release(); // does not touch the other's
  assert.ok(existsSync(file));
  await lock.release();
  assert.equal(await readdir(folder), []);
  assert.is(locks.holder(KEY), undefined);
});

test('waiting ends with the reason of the signal', async () => {
  const { locks, folder } = locksIn();
  const lock = await locks.lock(KEY);
  const stop = new AbortController();
  const waiting = locks.lock(KEY, { signal: stop.signal }).then(
    () => 'got it',
    (error: Error) => error.message,
  );
  await sleep(30);
  stop.abort(new Error('enough'));
  assert.is(await waiting, 'enough');
  assert.is(await locks.lock(KEY, { signal: stop.signal }).catch((error: Error) => error.message), 'enough');
  await lock.release();
  assert.equal(await readdir(folder), []);
});

test('the lock of a killed process is taken over at once; it is not waited for', async () => {
  const { store, root } = newStore();
  const child = await startChild(root, KEY, 'hold');
  assert.is(await child.line(), 'holds');
  const held = await store.tryLock(KEY);
  assert.equal(held, { pid: child.pid, host: thisProcess().host, here: true });
  let waitedFor: Holder | undefined;
  const waiting = store.lock(KEY, { onWait: (holder) => (waitedFor = holder) });
  await sleep(300);
  assert.is(waitedFor?.pid, child.pid);
  await child.kill();
  const lock = await waiting;
  assert.ok(lock instanceof Lock);
  await lock.release();
  assert.equal(await readdir(join(root, 'locks')), []);
});

test('a process that ends with a lock in hand gives it back', async () => {
  const { store, root } = newStore();
  const child = await startChild(root, KEY, 'exit');
  assert.is(await child.ended(), 0);
  assert.equal(await readdir(join(root, 'locks')), []);
  assert.is(store.holder(KEY), undefined);
});

test('three processes count under one lock, while a fourth is killed with it in hand: no count is lost', async () => {
  const { root } = newStore();
  const dying = await startChild(root, KEY, 'hold');
  await dying.line();
  await writeFile(join(root, 'count'), '0');
  const children = await Promise.all([1, 2, 3].map(() => startChild(root, KEY, 'count')));
  await dying.kill(); // all three see a dead owner's lock at one time
  assert.equal(await Promise.all(children.map((child) => child.ended())), [0, 0, 0]);
  assert.is(await readFile(join(root, 'count'), 'utf8'), '60');
  assert.equal(await readdir(join(root, 'locks')), []);
});

test('many waiters of a dead owner in one process: one at a time has it', async () => {
  const { locks, folder, file } = locksIn();
  await writeFile(file, lockText({ pid: 2 ** 22 + 1 }));
  let inside = 0;
  await Promise.all(
    Array.from({ length: 20 }, async () => {
      const lock = await locks.lock(KEY);
      assert.is(++inside, 1);
      await sleep(1);
      inside--;
      await lock.release();
    }),
  );
  assert.equal(await readdir(folder), []);
});

test('a reused pid is not the owner', async () => {
  if (!thisProcess().start) return console.log('skipped: this system tells no start times');
  const { locks, file } = locksIn();
  await writeFile(file, lockText({ pid: process.ppid, start: '1' }));
  assert.is(locks.holder(KEY), undefined);
  const { lock, holders } = await timed(locks);
  assert.equal(holders, []);
  await lock.release();
  await writeFile(file, lockText({ pid: process.ppid, start: '' })); // start unknown: the pid alone decides
  assert.is((await locks.tryLock(KEY)) instanceof Lock, false);
  await rm(file);
});

test('a zombie is dead', async () => {
  if (!thisProcess().start) return console.log('skipped: this system tells no start times');
  const { $ } = await import('../pipeline/process.ts');
  // The shell starts a child, becomes a program that never asks for its children, and so leaves a zombie.
  const child = $({ nothrow: true })`sh -c ${'sleep 0.1 & echo $!; exec sleep 3'}`;
  const pid = await new Promise<number>((resolve) =>
    child.stdout.once('data', (text) => resolve(Number(text))),
  );
  assert.ok(isRunning(pid, ''));
  for (let i = 0; i < 200 && !/\) Z /.test(await readFile(`/proc/${pid}/stat`, 'utf8')); i++) await sleep(10);
  process.kill(pid, 0); // its pid is still there
  assert.not(isRunning(pid, ''));
  await child.kill('SIGKILL');
  await child;
});

for (const [where, owner] of [
  ['host', { host: 'elsewhere' }],
  ['boot', { boot: 'another' }],
  ['pid namespace', { pidSpace: 'pid:[1]' }],
] as const) {
  test(`an owner of another ${where} is dead when its heartbeat stands still, whatever runs under its pid here`, async () => {
    const { locks, file } = locksIn();
    for (const pid of [process.pid, 2 ** 22 + 1]) {
      await writeFile(file, lockText({ ...owner, pid }));
      assert.is(lifeOf({ ...thisProcess(), ...owner }), 'elsewhere');
      assert.equal(await locks.tryLock(KEY), {
        pid,
        host: 'host' in owner ? owner.host : thisProcess().host,
        here: false,
      });
      const { lock, ms, holders } = await timed(locks);
      assert.ok(ms >= QUICK.silent!, `${ms} ms`);
      assert.is(holders.length, 1);
      await lock.release();
    }
  });
}

test('an owner elsewhere whose heart beats is waited for, however long', async () => {
  const { locks, file } = locksIn();
  let beat = 0;
  const stop = new AbortController();
  await writeFile(file, lockText({ host: 'elsewhere' }));
  const timer = setInterval(() => writeFile(file, lockText({ host: 'elsewhere' }, ++beat)), 50);
  const waiting = locks.lock(KEY, { signal: stop.signal }).catch((error: Error) => error.message);
  await sleep(3 * QUICK.silent!);
  stop.abort(new Error('still beating'));
  clearInterval(timer);
  assert.is(await waiting, 'still beating');
});

test('a held lock beats, and a beat never reaches the lock of whoever took over', async () => {
  const { locks, file } = locksIn();
  const lock = await locks.lock(KEY);
  const beats = async () => Number((await readFile(file, 'utf8')).slice(0, 12));
  for (let i = 0; i < 200 && (await beats()) < 2; i++) await sleep(10);
  assert.ok((await beats()) >= 2);
  // Another host took it for dead: it removes the file and makes its own.
  await rm(file);
  const theirs = lockText({ host: 'elsewhere' }, 5);
  await writeFile(file, theirs);
  await sleep(100);
  assert.is(await readFile(file, 'utf8'), theirs);
  await lock.release();
  assert.is(await readFile(file, 'utf8'), theirs);
});

test('a lock that names nobody, and a take-over that was begun and abandoned, delay but do not stop', async () => {
  const { locks, folder, file } = locksIn();
  for (const text of ['', '0000', '000000000000\n{"pid":1}\n']) {
    await writeFile(file, text); // killed between making and writing, or a power cut
    assert.equal(await locks.tryLock(KEY), { here: false });
    const { lock, ms } = await timed(locks);
    assert.ok(ms >= QUICK.abandoned!, `${ms} ms`);
    await lock.release();
  }
  await writeFile(file, lockText({ pid: 2 ** 22 + 1 }));
  await mkdir(`${file}.taking`);
  const { lock, ms } = await timed(locks);
  assert.ok(ms >= QUICK.abandoned!, `${ms} ms`);
  await lock.release();
  assert.equal(await readdir(folder), []);
});

test('clocks on the wall may jump: nobody looks at them', async () => {
  const real = Date.now;
  let fake = 2e12;
  Date.now = () => (fake -= 3600_000); // each look is an hour before the last
  try {
    const { locks, file } = locksIn();
    await writeFile(file, lockText({ host: 'elsewhere' }));
    const { lock, ms } = await timed(locks);
    assert.ok(ms >= QUICK.silent! && ms < 60_000, `${ms} ms`);
    await lock.release();
  } finally {
    Date.now = real;
  }
});

test.run();
