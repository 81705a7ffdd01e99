/** Placing files of the store in a run's folder, by links where the file system has them. */
import { existsSync } from 'node:fs';
import { chmod, link, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { RunFolder } from '../pipeline/run/run-folder.ts';
import { placeFile } from '../pipeline/store/disk.ts';
import { put, scratchFolder } from './helpers/scratch.ts';
import { testWithDisk } from './helpers/store-bench.ts';

const text = (path: string) => readFile(path, 'utf8');

/** A read-only file, as those of the store are. */
async function source(folder = scratchFolder(), contents = 'contents') {
  const from = put(folder, 'entry/x', contents);
  await chmod(from, 0o444);
  return { folder, from, to: join(folder, 'new/frames/x') };
}

test('within one file system a file is a hard link', async () => {
  const { from, to } = await source();
  await placeFile(from, to);
  assert.is((await stat(to)).ino, (await stat(from)).ino);
  assert.is(await text(to), 'contents');
  assert.is((await stat(to)).mode & 0o777, 0o444);
});

await testWithDisk(test, '1m', 'across file systems it is a copy', async ({ folder }) => {
  const { from } = await source();
  const to = join(folder, 'x');
  await placeFile(from, to);
  assert.is(await text(to), 'contents');
  assert.is((await stat(to)).mode & 0o777, 0o444);
});

await testWithDisk(test, '64k', 'a full disk is an error that leaves nothing', async ({ folder }) => {
  const { from } = await source(scratchFolder(), 'x'.repeat(200_000));
  const error = await placeFile(from, join(folder, 'x')).catch((thrown: Error) => thrown);
  assert.match(String(error), /ENOSPC/);
  assert.equal(await readdir(folder), []);
});

test('a source that is missing, or a file in the way, is an error that changes nothing', async () => {
  const { folder, from, to } = await source();
  assert.match(String(await placeFile(join(folder, 'none'), to).catch((error: Error) => error)), /ENOENT/);
  const taken = put(folder, 'new/taken', 'theirs');
  assert.match(String(await placeFile(from, taken).catch((error: Error) => error)), /EEXIST/);
  assert.is(await text(taken), 'theirs');
  assert.equal(await readdir(join(folder, 'new/frames')), []);
});

test('a run replaces files by renaming: other names of the old file, and the target of a link, keep their contents', async () => {
  const { folder, from } = await source();
  const elsewhere = put(folder, 'elsewhere', 'theirs');
  const run = new RunFolder(join(folder, 'run'));
  await run.open();
  const place = async (path: string) => {
    const staging = await run.temporary();
    await placeFile(from, join(staging, 'x'));
    await run.place(join(staging, 'x'), path);
  };
  await link(elsewhere, join(run.root, 'old'));
  await symlink(elsewhere, join(run.root, 'pointer'));
  await symlink(join(folder, 'entry'), join(run.root, 'folder'));
  for (const path of ['old', 'pointer', 'folder', 'frames/x']) {
    await place(path);
    await place(path); // again over itself
    assert.is(await text(join(run.root, path)), 'contents');
    assert.ok((await stat(join(run.root, path))).isFile());
  }
  assert.is(await text(elsewhere), 'theirs');
  assert.ok(existsSync(from));
  await writeFile(join(run.root, 'run.json'), '');
  await run.close();
  assert.equal((await readdir(run.root)).sort(), ['folder', 'frames', 'old', 'pointer', 'run.json']);
});

test.run();
