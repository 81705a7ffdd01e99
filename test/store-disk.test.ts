/** The store on disks that are full or read-only. Skipped where no small disk can be mounted. */
import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Checkpoints } from '../pipeline/store/checkpoints.ts';
import { explainDiskError } from '../pipeline/store/disk.ts';
import { collect } from '../pipeline/store/gc.ts';
import { commit, keyOf, newStore, testWithDisk } from './helpers/store-bench.ts';
import { throwsInput } from './helpers/throws.ts';

const [A, B] = [keyOf(1), keyOf(2)];
const SPACE = ['cannot be written: no space is left on the disk (ENOSPC)', 'splatline gc', '--store'];

/** Uses up the free space. */
async function fill(folder: string): Promise<void> {
  const ballast = join(folder, 'ballast');
  await mkdir(ballast, { recursive: true });
  const name = String((await readdir(ballast)).length);
  await writeFile(join(ballast, name), new Uint8Array(2 ** 24)).catch(() => undefined);
}

await testWithDisk(
  test,
  '2m',
  'a full disk is an error with folder and remedy; earlier entries stay, no temporary files remain',
  async ({ folder }) => {
    const { store, root, damaged } = newStore(join(folder, 'store'));
    const entry = await commit(store, A, { x: 'whole' });
    const checkpoints = new Checkpoints(store, B);
    await checkpoints.save({ step: 5, numbers: {}, tensors: { x: new Uint8Array(1000).fill(5) } });
    const big = { step: 6, numbers: {}, tensors: { x: new Uint8Array(4 * 2 ** 20) } };
    await throwsInput(() => checkpoints.save(big), root, ...SPACE);
    assert.equal(await readdir(join(root, 'tmp')), []);

    // Filled while a stage writes to its entry, and when the record is to be written.
    await throwsInput(() => commit(store, B, { x: big.tensors.x }), root, ...SPACE);
    const filling = async (draft: string) => {
      await writeFile(join(draft, 'x'), 'x');
      await fill(folder);
      return { identity: {} };
    };
    const works = [() => store.commit(B, filling), () => store.lock(B), () => store.writable()];
    for (const work of works) {
      await throwsInput(work, root, ...SPACE);
      await fill(folder); // the failed attempt may have freed some space
    }
    assert.equal(await readdir(join(root, 'tmp')), []);
    assert.equal(await readdir(join(root, 'locks')), []);

    assert.equal(await store.find(A), entry);
    assert.is((await checkpoints.latest())?.tensors.x[999], 5);
    await rm(join(folder, 'ballast'), { recursive: true });
    await store.writable();
    assert.ok(await commit(store, B, { x: 'x' }));
    assert.equal(damaged, []);
  },
);

await testWithDisk(test, '1m', 'gc works on a full disk', async ({ folder }) => {
  const { store } = newStore(join(folder, 'store'));
  const { folder: entry } = await commit(store, A, { x: new Uint8Array(500_000) });
  const record = (await stat(join(entry, 'entry.json'))).size;
  await fill(folder);
  const { freed } = await collect(store, { maxBytes: 0 });
  assert.equal(
    freed.map(({ bytes }) => bytes),
    [500_000 + record],
  );
  assert.equal(await store.keys(), []);
});

await testWithDisk(
  test,
  '1m',
  'a read-only store can be read; writing is an error with the remedy',
  async ({ folder, readOnly }) => {
    const { store, root, damaged } = newStore(join(folder, 'store'));
    const entry = await commit(store, A, { x: 'whole' });
    await new Checkpoints(store, B).save({ step: 5, numbers: {}, tensors: {} });
    const broken = await commit(store, B, { x: 'broken' });
    await rm(join(broken.folder, 'x'));
    await readOnly();
    const fresh = newStore(root);
    const checkpoints = new Checkpoints(fresh.store, B);
    assert.equal(await fresh.store.find(A), entry);
    assert.equal(await fresh.store.find(A, ['x']), entry);
    await fresh.store.used(A);
    assert.is((await checkpoints.latest())?.step, 5);
    assert.is(fresh.store.holder(A), undefined);
    // Damage is reported although nothing can be deleted.
    assert.is(await fresh.store.find(B), undefined);
    assert.is(fresh.damaged.length, 1);
    const message = ['cannot be written: the file system is read-only (EROFS)', '--store', root];
    for (const work of [
      () => commit(fresh.store, A, {}),
      () => fresh.store.lock(A),
      () => fresh.store.writable(),
      () => checkpoints.save({ step: 6, numbers: {}, tensors: {} }),
      () => checkpoints.remove(),
      () => collect(fresh.store, { maxBytes: 0 }),
    ]) {
      await throwsInput(work, ...message);
    }
    // A store that is not there yet.
    await throwsInput(() => newStore(join(folder, 'other')).store.writable(), 'EROFS');
    assert.equal(damaged, []);
  },
);

test('other error codes are unchanged', async () => {
  const other = new Error('something else');
  assert.is(explainDiskError(other, '/x'), other);
  const missing = await mkdir('/nowhere/x').catch((error: Error) => error);
  assert.is(explainDiskError(missing, '/x'), missing);
  const secret = Object.assign(new Error('open'), { code: 'EACCES', path: '/elsewhere/photo.png' });
  assert.is(
    explainDiskError(secret, '/x'),
    secret,
    'a file that cannot be read is not the fault of the store',
  );
  for (const path of ['/x/y', '/']) {
    const explained = explainDiskError(
      Object.assign(new Error('open'), { code: 'EACCES', path }),
      '/x',
      '--out',
    );
    assert.match(
      String(explained),
      /permission denied \(EACCES\); make it writable or choose another folder with --out/,
    );
  }
});

test.run();
