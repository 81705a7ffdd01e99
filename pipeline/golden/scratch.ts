import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Gives `body` a folder of its own that goes afterwards: a run there has a store of its own, and takes nothing from earlier ones. */
export async function inScratch<T>(body: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'splatline-golden-'));
  try {
    return await body(join(folder, 'run'));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
