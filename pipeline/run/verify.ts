import { basename, dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { checkJson, readJson } from '../../stages/artefacts/json.ts';
import { type FileContents, hashFile } from '../hash.ts';
import { Store } from '../store/store.ts';
import { MANIFEST } from './run-folder.ts';

/** The fields of a run.json that `verifyRun` reads. */
const manifestSchema = z.object({
  format: z.literal(1),
  store: z.string(),
  stages: z.array(
    // Version 0.1 wrote `how`.
    z.object({
      id: z.string(),
      key: z.string(),
      resolvedBy: z.string().optional(),
      how: z.string().optional(),
    }),
  ),
  files: z.array(z.object({ path: z.string(), bytes: z.number(), sha256: z.string() })),
});

/** A file that is not as it was written. */
export interface DamagedFile {
  /** Absolute. */
  path: string;
  found: string;
  expected: string;
  /** Where a damaged entry was moved to; the next run makes the entry again. */
  movedTo?: string;
}

export interface Verification {
  files: number;
  entries: number;
  damaged: DamagedFile[];
  /** Stages without an entry in the store; a run would run them again. */
  missing: string[];
}

/**
 * Hashes a run's results again: the files in its folder and its stages' entries in the store. Damaged entries are set
 * aside. @throws InputError without a run.json.
 */
export async function verifyRun(
  run: string,
  { store: root }: { store?: string } = {},
): Promise<Verification> {
  const file = basename(run).endsWith('.json') ? resolve(run) : join(resolve(run), MANIFEST);
  const folder = dirname(file);
  const { stages, files, store: beside } = checkJson(file, manifestSchema, await readJson(file));
  const damaged: DamagedFile[] = [];
  for (const { path, bytes, sha256 } of files) {
    const found = await contentsOf(join(folder, path));
    if (typeof found === 'string' || found.sha256 !== sha256) {
      damaged.push({ path: join(folder, path), ...difference(found, { bytes, sha256 }) });
    }
  }
  const store = new Store(resolve(root ?? join(folder, beside)));
  const missing: string[] = [];
  let entries = 0;
  for (const { id, key, how = '', resolvedBy = how } of stages) {
    if (['read', 'unused'].includes(resolvedBy)) continue;
    const entry = await store.find(key);
    if (!entry) missing.push(id);
    if (!entry) continue;
    entries++;
    const wrong = await store.check(entry);
    if (!wrong.length) continue;
    const movedTo = await store.setAside(key, wrong.map(({ path, found }) => `${path}: ${found}`).join('\n'));
    damaged.push(...wrong.map((one) => ({ ...one, path: join(entry.folder, one.path), movedTo })));
  }
  return { files: files.length, entries, damaged, missing };
}

async function contentsOf(path: string): Promise<FileContents | string> {
  return hashFile(path).catch((error: NodeJS.ErrnoException) =>
    error.code === 'ENOENT' ? 'missing' : `cannot be read (${error.code})`,
  );
}

function difference(
  found: FileContents | string,
  expected: FileContents,
): { found: string; expected: string } {
  if (typeof found === 'string') return { found, expected: `${expected.bytes} bytes` };
  return found.bytes === expected.bytes
    ? { found: found.sha256, expected: expected.sha256 }
    : { found: `${found.bytes} bytes`, expected: `${expected.bytes} bytes` };
}
