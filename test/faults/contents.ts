import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { holderOf } from '../../pipeline/store/lock.ts';

/** By path below a run's folder: sha256 of a file's bytes, or a stage's key. */
export type Contents = ReadonlyMap<string, string>;

/** Tell when and how a run went. The pictures of the video are compared as frames. */
const TIMED = /^(run\.json|report\.html)$|\.mp4$/;
const STAGE = /^stages\/[^/]+\/stage\.json$/;

/** All that is promised to be the same: splats and their tensors, frames, scores, and the keys of the stages. */
export async function contentsOf(out: string): Promise<Contents> {
  const contents = new Map<string, string>();
  for (const path of await filesBelow(out)) {
    if (TIMED.test(path)) continue;
    const bytes = await readFile(join(out, path));
    const hash = () => createHash('sha256').update(bytes).digest('hex');
    contents.set(path, STAGE.test(path) ? (JSON.parse(bytes.toString()) as { key: string }).key : hash());
  }
  return contents;
}

/** The first file that is missing, has other bytes, or should not be there; undefined where there is none. */
export function firstDifference(expected: Contents, found: Contents): string | undefined {
  for (const path of [...new Set([...expected.keys(), ...found.keys()])].sort()) {
    if (!found.has(path)) return `${path} is missing`;
    if (!expected.has(path)) return `${path} should not be there`;
    if (found.get(path) !== expected.get(path)) {
      return `${path} ${STAGE.test(path) ? 'has another key' : 'has other bytes'}`;
    }
  }
  return undefined;
}

/** The part of contents that a run up to a stage leaves below `stages/`. */
export function stagesOf(contents: Contents, ids: readonly string[]): Contents {
  return new Map([...contents].filter(([path]) => ids.some((id) => path.startsWith(`stages/${id}/`))));
}

/**
 * What killed processes left and the next run should have removed: half-written files, and locks that seem to be held. The
 * lease of a dead process blocks no other; it stays until a process needs its key, or until gc.
 */
export async function leftovers({ out, store: root }: { out: string; store: string }): Promise<string[]> {
  const left = [join(out, '.partial'), join(out, '.run.lock')].filter((path) => existsSync(path));
  const aside = await readdir(join(root, 'tmp'));
  left.push(...aside.map((name) => join(root, 'tmp', name)));
  const locks = (await readdir(join(root, 'locks'))).map((name) => join(root, 'locks', name));
  return [...left, ...locks.filter((path) => holderOf(path))];
}

/** Paths with `/`, sorted. */
async function filesBelow(folder: string): Promise<string[]> {
  const items = await readdir(folder, { recursive: true, withFileTypes: true });
  return items
    .filter((item) => !item.isDirectory())
    .map((item) => relative(folder, join(item.parentPath ?? item.path, item.name)).replaceAll('\\', '/'))
    .sort();
}
