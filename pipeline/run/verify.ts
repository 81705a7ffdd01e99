import { join, resolve } from 'node:path';
import { type Damage, damagesOf } from '../store/entry.ts';
import { Store } from '../store/store.ts';
import { readManifest } from './manifest.ts';

export interface Verification {
  files: number;
  entries: number;
  /** With absolute paths. */
  damaged: Damage[];
  /** Stages without an entry in the store; a run would run them again. */
  missing: string[];
}

/**
 * Hashes a run's results again: the files in its folder and its stages' entries in the store. Damaged entries are
 * deleted, and the next run recomputes them. @throws InputError without a run.json.
 */
export async function verifyRun(
  run: string,
  { store: root }: { store?: string } = {},
): Promise<Verification> {
  const { folder, manifest } = await readManifest(run);
  const wrongFiles = await damagesOf(folder, manifest.files);
  const damaged = wrongFiles.map((one) => ({ ...one, path: join(folder, one.path) }));
  const store = new Store(resolve(root ?? join(folder, manifest.store)));
  const missing: string[] = [];
  let entries = 0;
  for (const { id, key, resolvedBy } of manifest.stages) {
    if (resolvedBy === 'read' || resolvedBy === 'unused') continue;
    const entry = await store.find(key);
    if (!entry) {
      missing.push(id);
      continue;
    }
    entries++;
    const wrong = await damagesOf(entry.folder, entry.record.files);
    if (wrong.length)
      await store.discard(key, wrong.map(({ path, found }) => `${path}: ${found}`).join('; '));
    damaged.push(...wrong.map((one) => ({ ...one, path: join(entry.folder, one.path) })));
  }
  return { files: manifest.files.length, entries, damaged, missing };
}
