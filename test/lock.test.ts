/** Locks between processes: one holds, others wait; dead owners are detected without the wall clock. */
import { existsSync } from 'node:fs';
import { readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { $ } from '../pipeline/process.ts';
import { holderOf, isDead, Lock, lock, ownerName } from '../pipeline/store/lock.ts';
import { scratchFolder } from './helpers/scratch.ts';
import { testUnless } from './helpers/skip.ts';
import { keyOf, newStore, startChild } from './helpers/store-bench.ts';

const KEY = keyOf(7);
const LOCK_MODULE = new URL('../pipeline/store/lock.ts', import.meta.url);
const QUICK = { poll: 10, refresh: 20, expiry: 300 };
const newLease = (folder = scratchFolder()) => ({ folder, file: join(folder, `${KEY}.lock`) });
const [, OWN_PLACE] = ownerName().split('-');
const ELSEWHERE = '0123456789ab';
/** The contents of a lock file; by default of a process of this host. */
const lockText = ({ pid = process.pid, place = OWN_PLACE }) => `${pid}-${place}-ffffffffffff some-host\n`;
const DEAD_PID = 2 ** 22 + 1;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** A shell command in its own UTS namespace. */
const inNamespace = (command: string) => $({ nothrow: true })`unshare --uts sh -c ${command}`;

/** Takes the lock; the milliseconds that it took, and the holders that it waited for. */
async function timed(file: string) {
  const start = performance.now();
  const holders: string[] = [];
  const taken = await lock(file, { ...QUICK, onWait: (holder) => void holders.push(holder) });
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
  assert.ok(taken instanceof Lock);
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
  const { folder, file } = newLease();
  await writeFile(file, lockText({ pid: DEAD_PID }));
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
  const owner = (pid: number) => lockText({ pid }).split(' ')[0];
  assert.ok(isDead(owner(DEAD_PID)));
  assert.not(isDead(owner(process.ppid)));
  await writeFile(file, lockText({ pid: DEAD_PID }));
  assert.is(holderOf(file), undefined);
  const dead = await timed(file);
  assert.equal(dead.holders, []);
  dead.taken.release();
  await writeFile(file, lockText({ pid: process.ppid }));
  assert.is(holderOf(file), `process ${process.ppid}`);
  const reused = await timed(file);
  assert.equal(reused.holders, [`process ${process.ppid}`]);
  assert.ok(reused.ms >= QUICK.expiry, `${reused.ms} ms`);
  reused.taken.release();
});

test('the lease of an owner elsewhere ends without refreshes, whatever runs under its pid here', async () => {
  const { file } = newLease();
  for (const pid of [process.pid, DEAD_PID]) {
    const text = lockText({ pid, place: ELSEWHERE });
    assert.not(isDead(text.split(' ')[0]));
    await writeFile(file, text);
    const holder = `process ${pid} on some-host`;
    assert.is(holderOf(file), holder);
    const { taken, ms, holders } = await timed(file);
    assert.ok(ms >= QUICK.expiry, `${ms} ms`);
    assert.equal(holders, [holder]);
    taken.release();
  }
});

for (const [what, script] of [
  ['host', 'hostname elsewhere && exec'],
  ['pid namespace', 'exec unshare --pid --fork'],
] as const) {
  const { stderr, exitCode } = await inNamespace(`${script} true`);
  const reason = exitCode ? `this system allows no namespaces: ${stderr.trim()}` : undefined;
  testUnless(test, reason, `a process of another ${what} is an owner elsewhere`, async () => {
    const print = `import { ownerName } from '${LOCK_MODULE}'; console.log(ownerName())`;
    const { stdout } = await inNamespace(
      `${script} ${process.execPath} --import tsx --input-type=module -e "${print}"`,
    );
    const [, pid, place] = /^(\d+)-([0-9a-f]{12})-/.exec(stdout) ?? [];
    assert.ok(Number(pid) > 0);
    assert.is.not(place, OWN_PLACE);
    assert.not(isDead(stdout.trim()));
  });
}

test('an owner elsewhere that refreshes its lease is waited for, however long', async () => {
  const { file } = newLease();
  const stop = new AbortController();
  await writeFile(file, lockText({ place: ELSEWHERE }));
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
  const theirs = lockText({ place: ELSEWHERE });
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
  const older = [
    `${process.pid}-1-${OWN_PLACE}-ffffffffffff some-host\n`,
    `000000000000\n{"pid":${process.pid},"start":"1","host":"here"}\n`,
  ];
  for (const text of ['', '0000', ...older]) {
    await writeFile(file, text); // killed between creating and writing, or a power cut
    const { taken, ms, holders } = await timed(file);
    assert.equal(holders, ['another process']);
    assert.ok(ms >= QUICK.expiry, `${ms} ms`);
    taken.release();
  }
  assert.equal(await readdir(folder), []);
});

test('processes that find a lease expired at the same time do not remove the lease of the next owner', async () => {
  const { folder, file } = newLease();
  for (let round = 0; round < 50; round++) {
    await writeFile(file, lockText({ pid: DEAD_PID }));
    const stop = new AbortController();
    const options = { ...QUICK, signal: stop.signal };
    const attempts = [1, 2, 3].map(() => lock(file, options).catch(() => undefined));
    const first = await Promise.race(attempts);
    stop.abort();
    const taken = (await Promise.all(attempts)).filter((outcome) => outcome !== undefined);
    assert.equal(taken, [first]);
    assert.is(holderOf(file), `process ${process.pid}`);
    taken[0].release();
  }
  assert.equal(await readdir(folder), []);
});

test('a wall clock that goes backwards changes nothing', async () => {
  const real = Date.now;
  let fake = 2e12;
  Date.now = () => (fake -= 3600_000); // each look is an hour before the last
  try {
    const { file } = newLease();
    await writeFile(file, lockText({ place: ELSEWHERE }));
    const { taken, ms } = await timed(file);
    assert.ok(ms >= QUICK.expiry && ms < 60_000, `${ms} ms`);
    taken.release();
  } finally {
    Date.now = real;
  }
});

test.run();
