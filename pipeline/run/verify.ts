import { join, resolve } from 'node:path';
import { damagesOf } from '../store/entry.ts';
import { Store } from '../store/store.ts';
import { ARTEFACTS, FILES, RECORDS } from './entries.ts';
import { readManifest } from './manifest.ts';

export interface Verification {
  files: number;
  entries: number;
  /** Files in the folder and entries of the store, with absolute paths. */
  damaged: { path: string; fault: string }[];
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
  const damaged: Verification['damaged'] = [];
  for (const { path, found, expected } of await damagesOf(folder, manifest.files))
    damaged.push({ path: join(folder, path), fault: `${found}; ${expected} expected` });
  const store = new Store(resolve(root ?? join(folder, manifest.store)));
  store.onDamaged = ({ path, reason }) => void damaged.push({ path, fault: reason });
  const missing: string[] = [];
  const saved = manifest.stages.filter(({ resolvedBy }) => resolvedBy === 'ran' || resolvedBy === 'cached');
  for (const { id, key } of saved) {
    const before = damaged.length;
    const entry = await store.find(key, [ARTEFACTS, FILES, RECORDS]);
    if (!entry && damaged.length === before) missing.push(id);
  }
  return { files: manifest.files.length, entries: saved.length - missing.length, damaged, missing };
}
