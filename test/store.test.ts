/** The store's entries: complete or absent, checked, never used when damaged. Full and read-only disks are in store-disk.test.ts. */
import { existsSync } from 'node:fs';
import fs, {
  chmod,
  mkdir,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Checkpoints } from '../pipeline/store/checkpoints.ts';
import { damagesOf, type Entry } from '../pipeline/store/entry.ts';
import { collect } from '../pipeline/store/gc.ts';
import { HOST, isDead } from '../pipeline/store/lock.ts';
import { Store } from '../pipeline/store/store.ts';
import { put, scratchFolder } from './helpers/scratch.ts';
import { commit, keyOf, newStore, openDraft, startChild } from './helpers/store-bench.ts';
import { throwsInput } from './helpers/throws.ts';

const KEY = keyOf('a1');
const FILES = { 'artefacts/gaussians/x.bin': 'splat', 'files/frames/0.png': 'picture' };
const sha256OfSplat = '7cb4bd2c12a41e06e757fff19d023f5d98e82e8a09739ad70f95c7c805e1dfbe';

async function rejection(work: () => Promise<unknown>): Promise<Error> {
  try {
    await work();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was thrown');
}

const checked = ({ folder, record }: Entry) => damagesOf(folder, record.files);

/** Overwrites part of a read-only file. */
async function damage(path: string, contents: string): Promise<void> {
  await chmod(path, 0o644);
  await writeFile(path, contents);
}

test('reading creates nothing on disk', async () => {
  const { store, root } = newStore();
  assert.is(await store.find(KEY), undefined);
  assert.equal(await store.keys(), []);
  assert.is(await new Checkpoints(store, KEY).latest(), undefined);
  assert.is(store.holder(KEY), undefined);
  await store.used(KEY);
  assert.not(existsSync(root));
});

test('another store object finds an entry as it was committed; no temporary files remain', async () => {
  const { store, root } = newStore();
  const entry = await commit(store, KEY, FILES, { stage: 'train', seconds: 1.5 });
  const other = newStore(root);
  const found = await other.store.find(KEY);
  assert.equal(found, entry);
  assert.equal(entry.record.files, [
    { path: 'artefacts/gaussians/x.bin', bytes: 5, sha256: sha256OfSplat },
    {
      path: 'files/frames/0.png',
      bytes: 7,
      sha256: entry.record.files[1].sha256,
    },
  ]);
  assert.equal(entry.record.identity, { key: KEY });
  assert.equal(entry.record.about, { stage: 'train', seconds: 1.5 });
  assert.is(entry.folder, join(root, 'entries', 'a1', KEY));
  for (const path of ['entry.json', ...Object.keys(FILES)]) {
    assert.is((await stat(join(entry.folder, path))).mode & 0o777, 0o444);
  }
  assert.equal(await readdir(join(root, 'tmp')), []);
  assert.equal(await checked(entry), []);
  assert.equal(await store.keys(), [KEY]);
  assert.equal(other.damaged, []);
});

test('an entry whose stage fails, or that cannot be committed, leaves nothing', async () => {
  const { store, root } = newStore();
  const failing = store.commit(KEY, async (draft) => {
    await writeFile(join(draft, 'x'), '');
    throw new Error('the stage failed');
  });
  assert.is((await rejection(() => failing)).message, 'the stage failed');
  assert.match(
    (await rejection(() => commit(store, KEY, { 'entry.json': '' }))).message,
    /cannot write entry.json/,
  );
  const linked = async (draft: string) => {
    await symlink('/etc/hostname', join(draft, 'link'));
    return { identity: 1 };
  };
  assert.match((await rejection(() => store.commit(KEY, linked))).message, /neither a file nor a folder/);
  assert.match((await rejection(() => commit(store, '../x', FILES))).message, /not a key/);
  assert.equal(await readdir(join(root, 'tmp')), []);
  assert.equal(await readdir(join(root, 'entries')), []);
  assert.is(await store.find(KEY), undefined);
});

test('a later commit replaces the entry', async () => {
  const { store, root, damaged } = newStore();
  await commit(store, KEY, { old: 'old', both: 'old' });
  const entry = await commit(store, KEY, { both: 'new' });
  assert.equal(await store.find(KEY), entry);
  assert.equal((await readdir(entry.folder)).sort(), ['both', 'entry.json']);
  assert.is(await readFile(join(entry.folder, 'both'), 'utf8'), 'new');
  assert.equal(await readdir(join(root, 'tmp')), []);
  assert.equal(damaged, []);
});

test('concurrent commits of one key leave one complete entry', async () => {
  const { store, root, damaged } = newStore();
  await Promise.all(Array.from({ length: 8 }, (_, i) => commit(store, KEY, { a: `${i}`, b: `${i}` })));
  const entry = await store.find(KEY);
  assert.ok(entry);
  assert.equal(await checked(entry), []);
  assert.is(await readFile(join(entry.folder, 'a'), 'utf8'), await readFile(join(entry.folder, 'b'), 'utf8'));
  assert.equal(await readdir(join(root, 'tmp')), []);
  assert.equal(damaged, []);
});

const DAMAGES: [string, (folder: string) => Promise<void>, RegExp][] = [
  ['a missing file', (folder) => rm(join(folder, 'x.bin')), /^x\.bin: missing; 5 bytes expected$/],
  ['a truncated file', (folder) => truncate(join(folder, 'x.bin'), 2), /^x\.bin: 2 bytes; 5 bytes expected$/],
  ['no record', (folder) => rm(join(folder, 'entry.json')), /^entry\.json is missing$/],
  ['a record cut short', (folder) => truncate(join(folder, 'entry.json'), 20), /^entry\.json is not JSON/],
  ['an empty record', (folder) => truncate(join(folder, 'entry.json'), 0), /^entry\.json is not JSON/],
  [
    'a record of another kind',
    (folder) => damage(join(folder, 'entry.json'), '{"format":1}'),
    /^entry\.json: /,
  ],
  [
    'a record of another key',
    async (folder) => {
      const text = await readFile(join(folder, 'entry.json'), 'utf8');
      await damage(join(folder, 'entry.json'), text.replaceAll(KEY, keyOf(3)));
    },
    /^entry\.json is that of 3333/,
  ],
  [
    'a record that leads out of the entry',
    async (folder) => {
      const text = await readFile(join(folder, 'entry.json'), 'utf8');
      await damage(join(folder, 'entry.json'), text.replace('"x.bin"', '"a/../../x.bin"'));
    },
    /leads out of the entry/,
  ],
];

for (const [name, spoil, reason] of DAMAGES) {
  test(`${name}: the entry is reported, deleted, never used again, and can be committed again`, async () => {
    const { store, root, damaged } = newStore();
    const { folder } = await commit(store, KEY, { 'x.bin': 'splat' });
    await spoil(folder);
    assert.is(await store.find(KEY), undefined);
    assert.is(damaged.length, 1);
    const [event] = damaged;
    assert.equal(event, { key: KEY, path: folder, reason: event.reason });
    assert.match(event.reason, reason);
    assert.not(existsSync(folder));
    assert.equal(await readdir(join(root, 'tmp')), []);
    assert.is(await store.find(KEY), undefined);
    assert.is(damaged.length, 1);
    const again = await commit(store, KEY, { 'x.bin': 'splat' });
    assert.equal(await store.find(KEY), again);
  });
}

test('hashing finds damage that keeps the size', async () => {
  const { store } = newStore();
  const entry = await commit(store, KEY, { a: 'aaaa', b: 'bbbb', c: 'cccc', d: 'dddd' });
  await damage(join(entry.folder, 'b'), 'bbBb');
  await damage(join(entry.folder, 'c'), 'cc');
  await rm(join(entry.folder, 'd'));
  const [b, c, d] = await checked(entry);
  const [, wholeB] = entry.record.files;
  assert.equal([b.path, b.expected], ['b', wholeB.sha256]);
  assert.match(b.found, /^[0-9a-f]{64}$/);
  assert.not.equal(b.found, b.expected);
  assert.equal(c, { path: 'c', found: '2 bytes', expected: '4 bytes' });
  assert.equal(d, { path: 'd', found: 'missing', expected: '4 bytes' });
});

test('the folders of an entry that a reader needs are hashed, the others are not', async () => {
  const { store, damaged } = newStore();
  const { folder } = await commit(store, KEY, { 'files/a': 'aaaa', 'artefacts/b': 'bbbb' });
  await damage(join(folder, 'artefacts/b'), 'bbBb');
  assert.ok(await store.find(KEY));
  assert.ok(await store.find(KEY, ['files']));
  assert.equal(damaged, []);
  assert.is(await store.find(KEY, ['files', 'artefacts']), undefined);
  assert.match(damaged[0].reason, /^artefacts\/b: [0-9a-f]{64}; [0-9a-f]{64} expected$/);
  assert.not(existsSync(folder));
});

test('an entry of a newer version is refused in a sentence, not deleted, and hides no other', async () => {
  const { store, damaged } = newStore();
  const { folder } = await commit(store, KEY, { x: 'x' });
  const text = (await readFile(join(folder, 'entry.json'), 'utf8')).replace('"format": 1', '"format": 2');
  await damage(join(folder, 'entry.json'), text);
  const other = await commit(store, keyOf(2), { x: 'x' });
  await throwsInput(
    () => store.find(KEY),
    /entry\.json: this entry has format 2, written by a newer/,
    '--store',
  );
  const all = [];
  for await (const entry of store.entries()) all.push(entry);
  assert.equal(all, [other]);
  const { freed, retained } = await collect(store, { maxBytes: 0, olderThanMs: -1 });
  assert.equal([freed.map(({ key }) => key), retained], [[keyOf(2)], []]);
  assert.ok(existsSync(folder));
  assert.equal(damaged, []);
});

test('all entries are listed, without those whose records are damaged, which listing leaves in place', async () => {
  const { store, damaged } = newStore();
  const broken = await commit(store, KEY, FILES);
  const whole = await commit(store, keyOf(2), FILES);
  await damage(join(broken.folder, 'entry.json'), JSON.stringify({ format: 1, key: KEY }));
  const all = [];
  for await (const each of store.entries()) all.push(each);
  assert.equal(all, [whole]);
  assert.ok(existsSync(broken.folder));
  assert.equal(damaged, []);
});

test('a root that is a file, holds other files, or has a newer format is refused, for reading too', async () => {
  const folder = scratchFolder();
  const file = put(folder, 'file', 'text');
  put(folder, 'photos/1.jpg', '');
  put(folder, 'newer/store.json', '{"format":2}');
  const cases: [string, RegExp][] = [
    [file, /file: this is a file; a store is a folder/],
    [join(folder, 'photos'), /photos: this folder contains other files \(1\.jpg\) and no store\.json/],
    [join(folder, 'newer'), /newer\/store\.json: this store has format 2/],
  ];
  for (const [root, message] of cases) {
    const store = new Store(root);
    for (const work of [
      () => store.find(KEY),
      () => commit(store, KEY, {}),
      () => store.writable(),
      () => store.lock(KEY),
    ]) {
      await throwsInput(work, message, '--store');
    }
  }
  assert.is(await readFile(file, 'utf8'), 'text');
  assert.equal(await readdir(join(folder, 'photos')), ['1.jpg']);
  assert.equal(await readdir(join(folder, 'newer')), ['store.json']);
});

test('an empty folder becomes a store, with a marker and a tag for backups; ten openers at once agree', async () => {
  const root = scratchFolder();
  await Promise.all(Array.from({ length: 10 }, () => new Store(root).writable()));
  assert.equal((await readdir(root)).sort(), [
    'CACHEDIR.TAG',
    'checkpoints',
    'entries',
    'locks',
    'runs',
    'store.json',
    'tmp',
  ]);
  assert.is(await readFile(join(root, 'store.json'), 'utf8'), '{"format":1}\n');
  assert.match(
    await readFile(join(root, 'CACHEDIR.TAG'), 'utf8'),
    /^Signature: 8a477f597d28d172789f06886806bc55\n/,
  );
  assert.equal(await readdir(join(root, 'tmp')), []);
});

for (const call of ['readFile', 'readdir'] as const) {
  test(`a folder that another process makes a store during the first ${call} is one`, async () => {
    const { store, root } = newStore();
    const original = fs[call] as (...args: unknown[]) => Promise<unknown>;
    const restore = () => {
      Object.assign(fs, { [call]: original });
      syncBuiltinESMExports();
    };
    const delayed = async (...args: unknown[]) => {
      restore();
      const result = original(...args);
      await result.catch(() => undefined);
      await new Store(root).writable();
      return result;
    };
    Object.assign(fs, { [call]: delayed });
    syncBuiltinESMExports();
    try {
      await store.writable();
    } finally {
      restore();
    }
    assert.ok(await store.exists());
  });
}

test('a store that is deleted while it is in use is created again', async () => {
  const { store, root } = newStore();
  await commit(store, KEY, FILES);
  await rm(root, { recursive: true });
  assert.is(await store.find(KEY), undefined);
  const entry = await commit(store, KEY, FILES);
  assert.equal(await new Store(root).find(KEY), entry);
});

test('the time of the last use is recorded', async () => {
  const { store } = newStore();
  const { folder } = await commit(store, KEY, FILES);
  await utimes(folder, 1000, 1000);
  await store.used(KEY);
  const { mtimeMs } = await stat(folder);
  assert.ok(Math.abs(mtimeMs - Date.now()) < 60_000);
});

test('the next writer deletes temporary files of a killed process; those of a running one stay', async () => {
  const { store, root } = newStore();
  const living = await openDraft(store);
  const child = await startChild(root, KEY, 'write');
  const left = await child.line();
  const owner = `${child.pid}@${HOST}`;
  assert.ok(left.endsWith(`.${owner}`), left);
  assert.not(isDead(owner));
  await commit(new Store(root), keyOf(2), FILES);
  assert.ok(existsSync(left));
  await child.kill();
  assert.ok(isDead(owner));
  // Of another host, and of an older version.
  const strangers = [`0123456789ab.${child.pid}@not-${HOST}`, '0-7-0123456789ab-0123456789ab'];
  const oldStranger = join(root, 'tmp', `ba9876543210.${child.pid}@not-${HOST}`);
  for (const path of [...strangers.map((name) => join(root, 'tmp', name)), oldStranger]) await mkdir(path);
  const eightDaysAgo = Date.now() / 1000 - 8 * 24 * 3600;
  await utimes(oldStranger, eightDaysAgo, eightDaysAgo);
  await new Store(root).find(keyOf(2));
  assert.ok(existsSync(left), 'reading changes nothing');
  await commit(new Store(root), keyOf(3), FILES);
  assert.equal(
    (await readdir(join(root, 'tmp'))).sort(),
    [...strangers, living.folder.split('/').at(-1)].sort(),
  );
  await living.end();
});

test('SIGKILL at a random instant leaves entries and checkpoints complete', async () => {
  const { store, root, damaged } = newStore();
  for (let round = 0; round < 4; round++) {
    const child = await startChild(root, KEY, 'churn');
    await child.line();
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 150));
    // Readers meet entries that are being replaced, too.
    for (let look = 0; look < 20; look++) await store.find(KEY);
    await child.kill();
    const entry = await store.find(KEY);
    if (entry) assert.equal(await checked(entry), []);
    const checkpoints = new Checkpoints(store, KEY);
    const latest = await checkpoints.latest();
    assert.ok(latest, 'two are kept while a third is written');
    assert.is(latest.tensors.x[0], latest.step % 256);
    await checkpoints.remove();
  }
  assert.equal(damaged, []);
});

test.run();
