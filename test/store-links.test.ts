/** Placing files of the store in a run's folder, in every way that the file system supports. */
import { existsSync } from 'node:fs';
import { chmod, link, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { placeFile, WAYS, type Way } from '../pipeline/store/disk.ts';
import { put, scratchFolder } from './helpers/scratch.ts';
import { testUnless } from './helpers/skip.ts';
import { testWithDisk } from './helpers/store-bench.ts';

const text = (path: string) => readFile(path, 'utf8');

/** A read-only file, as those of the store are. */
async function source(folder = scratchFolder(), contents = 'contents') {
  const from = put(folder, 'entry/x', contents);
  await chmod(from, 0o444);
  return { folder, from, to: join(folder, 'run/frames/x') };
}

/** Why reflinks cannot be tested, if so. A refused reflink must leave nothing beside its target. */
async function withoutReflinks(): Promise<string | undefined> {
  const { folder, from, to } = await source();
  const error = await placeFile(from, to, ['reflink']).then(
    () => undefined,
    (thrown: Error) => thrown,
  );
  if (!error) return undefined;
  assert.match(String(error), /ENOTSUP|EOPNOTSUPP|EINVAL|ENOTTY|ENOSYS/);
  assert.equal(await readdir(join(folder, 'run/frames')), []);
  return `no reflinks on the file system of ${folder}`;
}

const noReflinks = await withoutReflinks();
for (const way of WAYS) {
  const reason = way === 'reflink' ? noReflinks : undefined;
  testUnless(
    test,
    reason,
    `by ${way}: a new file, and in place of one whose other names keep their contents`,
    async () => {
      const { folder, from, to } = await source();
      assert.is(await placeFile(from, to, [way]), way);
      assert.is(await text(to), 'contents');
      assert.is((await stat(to)).mode & 0o777, 0o444);
      assert.is((await stat(to)).ino === (await stat(from)).ino, way === 'hard link');
      // What was there before has another name, which must not change.
      const [old, elsewhere] = [put(folder, 'run/old', 'theirs'), join(folder, 'elsewhere')];
      await link(old, elsewhere);
      await placeFile(from, old, [way]);
      assert.is(await text(old), 'contents');
      assert.is(await text(elsewhere), 'theirs');
      // A link is replaced, not followed.
      const pointer = join(folder, 'run/pointer');
      await symlink(elsewhere, pointer);
      await placeFile(from, pointer, [way]);
      assert.is(await text(elsewhere), 'theirs');
      assert.ok((await stat(pointer)).isFile());
      assert.is(await text(pointer), 'contents');
      // Again over itself, which a rename of two names of one file would leave beside.
      await placeFile(from, to, [way]);
      assert.equal(await readdir(join(folder, 'run/frames')), ['x']);
      assert.equal((await readdir(join(folder, 'run'))).sort(), ['frames', 'old', 'pointer']);
    },
  );
}

test('within one file system the default is never a copy', async () => {
  const { from, to } = await source();
  const way: Way = await placeFile(from, to);
  assert.ok(way === 'reflink' || way === 'hard link', way);
});

await testWithDisk(test, '1m', 'across file systems the default is a copy', async ({ folder }) => {
  const { from } = await source();
  const to = join(folder, 'x');
  assert.is(await placeFile(from, to), 'copy');
  assert.is(await text(to), 'contents');
  assert.is((await stat(to)).mode & 0o777, 0o444);
});

await testWithDisk(
  test,
  '64k',
  'a full disk keeps the earlier file, and leaves nothing beside it',
  async ({ folder }) => {
    const { from } = await source(scratchFolder(), 'x'.repeat(200_000));
    const to = put(folder, 'x', 'before');
    const error = await placeFile(from, to).catch((thrown: Error) => thrown);
    assert.match(String(error), /ENOSPC/);
    assert.equal(await readdir(folder), ['x']);
    assert.is(await text(to), 'before');
  },
);

test('a source that is missing, or a folder in the way, is an error that leaves nothing beside', async () => {
  const { folder, from, to } = await source();
  assert.match(String(await placeFile(join(folder, 'none'), to).catch((error: Error) => error)), /ENOENT/);
  put(folder, 'run/taken/inside', '');
  const taken = join(folder, 'run/taken');
  assert.match(
    String(await placeFile(from, taken).catch((error: Error) => error)),
    /EISDIR|EEXIST|ENOTEMPTY/,
  );
  assert.ok(existsSync(join(taken, 'inside')));
  assert.equal((await readdir(join(folder, 'run'))).sort(), ['frames', 'taken']);
  await rm(taken, { recursive: true });
  await writeFile(taken, '');
});

test.run();
