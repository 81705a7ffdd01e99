/** Locks between processes: one holds, others wait; dead owners are detected without the wall clock. */
import { existsSync } from 'node:fs';
import { readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { $ } from '../pipeline/process.ts';
import { isRunning, Lock, Locks, type LockTimes, lifeOf, ownerName } from '../pipeline/store/locks.ts';
import { scratchFolder } from './helpers/scratch.ts';
import { testUnless } from './helpers/skip.ts';
import { keyOf, newStore, startChild } from './helpers/store-bench.ts';

const KEY = keyOf(7);
const QUICK: LockTimes = { poll: 10, refresh: 20, expiry: 300 };
const locksIn = (folder = scratchFolder(), times = QUICK) => ({
  locks: new Locks(folder, times),
  folder,
  file: join(folder, `${KEY}.lock`),
});
const [, OWN_START, OWN_PLACE] = ownerName().split('-');
const ELSEWHERE = '0123456789ab';
/** The contents of a lock file; by default of a process of this host. */
const lockText = ({ pid = process.pid, start = OWN_START, place = OWN_PLACE }) =>
  `${pid}-${start}-${place}-ffffffffffff some-host\n`;
const DEAD_PID = 2 ** 22 + 1;
/** Why tests of start times cannot run, if so. */
const noStart = OWN_START === '0' ? 'this system has no start times of processes' : undefined;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** A shell command in a UTS namespace of its own. */
const inNamespace = (command: string) => $({ nothrow: true })`unshare --uts sh -c ${command}`;

/** Takes the lock; the milliseconds that it took, and the holders that it waited for. */
async function timed(locks: Locks) {
  const start = performance.now();
  const holders: string[] = [];
  const lock = await locks.lock(KEY, { onWait: (holder) => void holders.push(holder) });
  return { lock, ms: performance.now() - start, holders };
}

test('a second process sees the holder, reports it once, and gets the lock when it is released', async () => {
  const { locks, folder, file } = locksIn();
  const first = await locks.lock(KEY);
  const holder = `process ${process.pid}`;
  assert.is(await locks.tryLock(KEY), holder);
  assert.is(locks.holder(KEY), holder);
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

test('the lock of a killed process is taken over at once', async () => {
  const { store, root } = newStore();
  const child = await startChild(root, KEY, 'hold');
  assert.is(await child.line(), 'holds');
  assert.is(await store.tryLock(KEY), `process ${child.pid}`);
  assert.equal(await store.lockedKeys(), [KEY]);
  let waitedFor: string | undefined;
  const waiting = store.lock(KEY, { onWait: (holder) => (waitedFor = holder) });
  await sleep(300);
  assert.is(waitedFor, `process ${child.pid}`);
  await child.kill();
  const lock = await waiting;
  assert.ok(lock instanceof Lock);
  await lock.release();
  assert.equal(await readdir(join(root, 'locks')), []);
});

test('a process that ends while it holds a lock releases it', async () => {
  const { store, root } = newStore();
  const child = await startChild(root, KEY, 'exit');
  assert.is(await child.ended(), 0);
  assert.equal(await readdir(join(root, 'locks')), []);
  assert.is(store.holder(KEY), undefined);
});

test('three processes count under one lock after its holder is killed: no count is lost', async () => {
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

test('many waiters in one process for a dead owner: one at a time holds the lock', async () => {
  const { locks, folder, file } = locksIn();
  await writeFile(file, lockText({ pid: DEAD_PID }));
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

testUnless(test, noStart, 'a reused pid is not the owner', async () => {
  const { locks, file } = locksIn();
  await writeFile(file, lockText({ pid: process.ppid, start: '1' }));
  assert.is(locks.holder(KEY), undefined);
  const { lock, holders } = await timed(locks);
  assert.equal(holders, []);
  await lock.release();
  await writeFile(file, lockText({ pid: process.ppid, start: '0' })); // start unknown: the owner must refresh it
  assert.is((await locks.tryLock(KEY)) instanceof Lock, false);
  assert.is(lifeOf(`${process.ppid}-0-${OWN_PLACE}-ffffffffffff`), 'unknown');
  assert.is(lifeOf(`${DEAD_PID}-0-${OWN_PLACE}-ffffffffffff`), 'dead');
  await rm(file);
});

testUnless(test, noStart, 'a zombie is dead', async () => {
  // The shell starts a child and becomes a program that never waits for children, which leaves a zombie.
  const child = $({ nothrow: true })`sh -c ${'sleep 0.1 & echo $!; exec sleep 3'}`;
  const pid = await new Promise<number>((resolve) =>
    child.stdout.once('data', (text) => resolve(Number(text))),
  );
  assert.ok(isRunning(pid));
  for (let i = 0; i < 200 && !/\) Z /.test(await readFile(`/proc/${pid}/stat`, 'utf8')); i++) await sleep(10);
  process.kill(pid, 0); // its pid is still there
  assert.not(isRunning(pid));
  await child.kill('SIGKILL');
  await child;
});

test('the lease of an owner elsewhere ends without refreshes, whatever runs under its pid here', async () => {
  const { locks, file } = locksIn();
  for (const pid of [process.pid, DEAD_PID]) {
    const text = lockText({ pid, place: ELSEWHERE });
    assert.is(lifeOf(text.split(' ')[0]), 'unknown');
    await writeFile(file, text);
    assert.is(await locks.tryLock(KEY), `process ${pid} on some-host`);
    const { lock, ms, holders } = await timed(locks);
    assert.ok(ms >= QUICK.expiry, `${ms} ms`);
    assert.is(holders.length, 1);
    await lock.release();
  }
});

for (const [what, script] of [
  ['host', 'hostname elsewhere && exec'],
  ['pid namespace', 'exec unshare --pid --fork'],
] as const) {
  const { stderr, exitCode } = await inNamespace(`${script} true`);
  const reason = exitCode ? `this system allows no namespaces: ${stderr.trim()}` : undefined;
  testUnless(test, reason, `a process of another ${what} is an owner elsewhere`, async () => {
    const print = `import { ownerName } from '${new URL('../pipeline/store/locks.ts', import.meta.url)}'; console.log(ownerName())`;
    const { stdout } = await inNamespace(
      `${script} ${process.execPath} --import tsx --input-type=module -e "${print}"`,
    );
    assert.match(stdout, /^\d+-\d+-/);
    assert.is(lifeOf(stdout.trim()), 'unknown');
  });
}

test('an owner elsewhere that refreshes its lease is waited for, however long', async () => {
  const { locks, file } = locksIn();
  const stop = new AbortController();
  await writeFile(file, lockText({ place: ELSEWHERE }));
  const timer = setInterval(() => utimes(file, new Date(), new Date()), 50);
  const waiting = locks.lock(KEY, { signal: stop.signal }).catch((error: Error) => error.message);
  await sleep(3 * QUICK.expiry);
  stop.abort(new Error('still refreshed'));
  clearInterval(timer);
  assert.is(await waiting, 'still refreshed');
});

test('a held lock is refreshed, and a refresh never reaches the lock of a process that took over', async () => {
  const { locks, file } = locksIn();
  const lock = await locks.lock(KEY);
  const first = await refreshedAt(file);
  for (let i = 0; i < 200 && (await refreshedAt(file)) === first; i++) await sleep(10);
  assert.not.equal(await refreshedAt(file), first);
  // Another host found it expired: it removes the file and makes its own.
  await rm(file);
  const theirs = lockText({ place: ELSEWHERE });
  await writeFile(file, theirs);
  const before = await refreshedAt(file);
  await sleep(100);
  assert.is(await refreshedAt(file), before);
  await lock.release();
  assert.is(await readFile(file, 'utf8'), theirs);
});

const refreshedAt = async (file: string) => (await stat(file, { bigint: true })).mtimeNs;

test('a lease that names no owner, or that an older version wrote, expires', async () => {
  const { locks, folder, file } = locksIn();
  for (const text of ['', '0000', `000000000000\n{"pid":${process.pid},"start":"1","host":"here"}\n`]) {
    await writeFile(file, text); // killed between making and writing, or a power cut
    assert.is(await locks.tryLock(KEY), 'another process');
    const { lock, ms } = await timed(locks);
    assert.ok(ms >= QUICK.expiry, `${ms} ms`);
    await lock.release();
  }
  assert.equal(await readdir(folder), []);
});

test('of processes that find a lease expired at the same time, none removes the lease of the next owner', async () => {
  const { locks, folder, file } = locksIn();
  for (let round = 0; round < 50; round++) {
    await writeFile(file, lockText({ pid: DEAD_PID }));
    const outcomes = await Promise.all([1, 2, 3].map(() => new Locks(folder, QUICK).tryLock(KEY)));
    const taken = outcomes.filter((outcome) => outcome instanceof Lock);
    assert.is(taken.length, 1);
    assert.is(locks.holder(KEY), `process ${process.pid}`);
    await taken[0].release();
  }
  assert.equal(await readdir(folder), []);
});

test('a wall clock that goes backwards changes nothing', async () => {
  const real = Date.now;
  let fake = 2e12;
  Date.now = () => (fake -= 3600_000); // each look is an hour before the last
  try {
    const { locks, file } = locksIn();
    await writeFile(file, lockText({ place: ELSEWHERE }));
    const { lock, ms } = await timed(locks);
    assert.ok(ms >= QUICK.expiry && ms < 60_000, `${ms} ms`);
    await lock.release();
  } finally {
    Date.now = real;
  }
});

test.run();
