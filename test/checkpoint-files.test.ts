/** Checkpoints on disk: exact bytes, the two newest, the previous one if the newest is damaged. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import {
  chmod,
  cp,
  type FileHandle,
  open,
  readdir,
  readFile,
  rm,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Checkpoints } from '../pipeline/store/checkpoints.ts';
import type { Store } from '../pipeline/store/store.ts';
import { keyOf, newStore } from './helpers/store-bench.ts';

const KEY = keyOf(5);
const folderOf = (root: string, step: number) =>
  join(root, 'checkpoints', KEY, String(step).padStart(12, '0'));
const tensorFile = (root: string, step: number) => join(folderOf(root, step), 'tensors.bin');
const checkpointsIn = (store: Store) => new Checkpoints(store, KEY);
const save = (store: Store, step: number) =>
  checkpointsIn(store).save({ step, numbers: { step }, tensors: { x: new Uint8Array(100).fill(step) } });

test('numbers and bytes are restored exactly, in their own memory', async () => {
  const { store, root } = newStore();
  const moments = Float32Array.from([0.1, -0, Number.NaN, 3e-45]);
  const numbers = { count: 2 ** 40 + 1, ratio: 0.1 + 0.2, tiny: 5e-324, 'a "name" ü': -1 };
  const big = new Uint8Array(9 * 2 ** 20 + 3).map((_, i) => i % 251); // several pieces
  const tensors = {
    'means.m': new Uint8Array(moments.buffer),
    empty: new Uint8Array(0),
    ü: big,
    // Names that are no file names.
    '../../x': Uint8Array.of(1),
    '.': Uint8Array.of(2),
    '': Uint8Array.of(3),
    '10': Uint8Array.of(4),
  };
  await checkpointsIn(store).save({ step: 1234, numbers, tensors });
  const found = await checkpointsIn(newStore(root).store).latest();
  assert.ok(found);
  assert.is(found.step, 1234);
  assert.equal(found.numbers, numbers);
  assert.equal(Object.keys(found.tensors), Object.keys(tensors));
  for (const [name, bytes] of Object.entries(tensors)) {
    assert.is(Buffer.compare(found.tensors[name], bytes), 0, name);
    assert.is(found.tensors[name].byteOffset, 0);
  }
  assert.is(new Float32Array(found.tensors['means.m'].buffer)[3], moments[3]);
  assert.equal(await readdir(join(root, 'tmp')), []);
});

test('the tensors are a file of their raw bytes, in their order, with size and sha256 in the record', async () => {
  const { store, root } = newStore();
  const tensors = { b: Uint8Array.of(1, 2, 3), a: Uint8Array.of(4) };
  await checkpointsIn(store).save({ step: 7, numbers: { n: 1 }, tensors });
  const folder = folderOf(root, 7);
  const bytes = Uint8Array.of(1, 2, 3, 4);
  assert.equal([...(await readFile(join(folder, 'tensors.bin')))], [...bytes]);
  const state = JSON.parse(await readFile(join(folder, 'state.json'), 'utf8'));
  const sizes = [
    { name: 'b', bytes: 3 },
    { name: 'a', bytes: 1 },
  ];
  assert.equal(state, { step: 7, numbers: { n: 1 }, tensors: sizes });
  const { key, files } = JSON.parse(await readFile(join(folder, 'entry.json'), 'utf8'));
  assert.is(key, KEY);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  assert.equal(files[1], { path: 'tensors.bin', bytes: 4, sha256 });
});

test('the two newest are kept, by step and not by time', async () => {
  const { store, root } = newStore();
  const files = checkpointsIn(store);
  assert.equal(await files.steps(), []);
  await save(store, 9);
  await save(store, 10);
  for (const [step, time] of [
    [9, 5e9],
    [10, 1],
  ])
    await utimes(folderOf(root, step), time, time);
  assert.is((await files.latest())?.step, 10);
  await save(store, 100);
  assert.equal(await files.steps(), [10, 100]);
  await save(store, 100); // again, as after a resume
  assert.equal(await files.steps(), [10, 100]);
  assert.is((await files.latest())?.tensors.x[0], 100);
  await save(store, 50);
  assert.equal(await files.steps(), [50, 100]);
  await files.remove();
  await files.remove();
  assert.not(existsSync(store.path('checkpoints', KEY)));
  assert.is(await files.latest(), undefined);
  assert.equal(await readdir(join(root, 'tmp')), []);
});

async function flipByte(path: string, at: number): Promise<void> {
  const bytes = await readFile(path);
  bytes[at < 0 ? bytes.length + at : at] ^= 1;
  await chmod(path, 0o644);
  await writeFile(path, bytes);
}

const DAMAGES: [string, (root: string) => Promise<void>, RegExp][] = [
  ['truncated', (root) => truncate(tensorFile(root, 20), 50), /tensors\.bin: 50 bytes; 100 bytes expected/],
  ['empty', (root) => truncate(tensorFile(root, 20), 0), /tensors\.bin: 0 bytes; /],
  ['changed in its data', (root) => flipByte(tensorFile(root, 20), -1), /tensors\.bin: [0-9a-f]{64}; /],
  ['changed in its first byte', (root) => flipByte(tensorFile(root, 20), 0), /tensors\.bin: [0-9a-f]{64}; /],
  [
    'changed in its numbers',
    (root) => flipByte(join(folderOf(root, 20), 'state.json'), 40),
    /state\.json: [0-9a-f]{64}; /,
  ],
  ['without its tensors', (root) => rm(tensorFile(root, 20)), /tensors\.bin: missing/],
  ['without its record', (root) => rm(join(folderOf(root, 20), 'entry.json')), /entry\.json is missing/],
  [
    'with half a record',
    (root) => truncate(join(folderOf(root, 20), 'entry.json'), 30),
    /entry\.json is not JSON/,
  ],
  [
    'that of another step',
    async (root) => {
      await rm(folderOf(root, 20), { recursive: true });
      await cp(folderOf(root, 10), folderOf(root, 20), { recursive: true });
    },
    /is the checkpoint of step 10/,
  ],
  [
    'that of another key',
    async (root) => {
      const file = join(folderOf(root, 20), 'entry.json');
      const text = await readFile(file, 'utf8');
      await chmod(file, 0o644);
      await writeFile(file, text.replaceAll(KEY, keyOf(6)));
    },
    /entry\.json is that of 6666/,
  ],
];

for (const [name, spoil, reason] of DAMAGES) {
  test(`if the newest is ${name}, it is reported and deleted, and the previous one is used`, async () => {
    const { store, root, damaged } = newStore();
    await save(store, 10);
    await save(store, 20);
    await spoil(root);
    const found = await checkpointsIn(store).latest();
    assert.is(found?.step, 10);
    assert.is(found?.tensors.x[99], 10);
    assert.is(damaged.length, 1);
    assert.is(damaged[0].path, folderOf(root, 20));
    assert.match(damaged[0].reason, reason);
    assert.equal(await checkpointsIn(store).steps(), [10]);
    await save(store, 20);
    assert.is((await checkpointsIn(store).latest())?.step, 20);
  });
}

test('if all are damaged, there is none', async () => {
  const { store, root, damaged } = newStore();
  await save(store, 10);
  await save(store, 20);
  for (const step of [10, 20]) await truncate(tensorFile(root, step), 9);
  assert.is(await checkpointsIn(store).latest(), undefined);
  assert.is(damaged.length, 2);
});

test('values that JSON cannot store exactly are refused, and leave nothing', async () => {
  const { store, root } = newStore();
  const files = checkpointsIn(store);
  const none = { step: 1, numbers: {}, tensors: {} };
  for (const [wrong, message] of [
    [{ ...none, numbers: { loss: Number.NaN } }, /"loss"[\s\S]*received NaN/],
    [{ ...none, numbers: { loss: -0 } }, /"loss"[\s\S]*minus zero/],
    [{ ...none, step: 1.5 }, /"step"[\s\S]*expected int/],
    [{ ...none, step: -1 }, /"step"/],
  ] as const) {
    const error = await files.save(wrong).then(
      () => undefined,
      (thrown: Error) => thrown,
    );
    assert.match(String(error), message);
  }
  assert.equal(await files.steps(), []);
  if (existsSync(root)) assert.equal(await readdir(join(root, 'tmp')), []);
});

test('a save syncs each file and folder once', async () => {
  const { store } = newStore();
  await save(store, 1); // creates the folders of the store
  const handle = await open('/dev/null');
  const prototype = Object.getPrototypeOf(handle) as FileHandle;
  await handle.close();
  const { sync } = prototype;
  let syncs = 0;
  prototype.sync = function (this: FileHandle) {
    syncs++;
    return sync.call(this);
  };
  try {
    await save(store, 2);
  } finally {
    Object.assign(prototype, { sync });
  }
  // state.json, tensors.bin, entry.json, their folder, and the folder above.
  assert.is(syncs, 5);
});

test('the event loop runs between the pieces of a large save', async () => {
  const { store } = newStore();
  const tensors = { x: new Uint8Array(64 * 2 ** 20) };
  let turns = 0;
  let longest = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    turns++;
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }, 1);
  const start = performance.now();
  await checkpointsIn(store).save({ step: 1, numbers: {}, tensors });
  clearInterval(timer);
  // 16 pieces: at least about as many turns; a hash in one go would leave one gap as long as the whole.
  assert.ok(turns >= 12, `${turns} turns`);
  assert.ok(longest < (performance.now() - start) / 2, `${longest} ms at a stretch`);
});

test.run();
