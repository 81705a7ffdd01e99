import { chmod, readdir } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { eachOf, hashHandle } from '../hash.ts';
import { explainDiskError, ignore } from './disk-errors.ts';
import { openToSync, syncFolders, writeSynced } from './durable.ts';
import { checkKey, type Entry, newRecord, RECORD } from './record.ts';
import type { StoreRoot } from './root.ts';

const READ_ONLY = 0o444;

/** A result that is being written, in a folder of this process. It becomes an entry with `commit`, or goes. */
export class Draft {
  /** Where to write; any files and folders. */
  readonly folder: string;
  readonly #root: StoreRoot;

  constructor(root: StoreRoot, folder: string) {
    this.#root = root;
    this.folder = folder;
  }

  /**
   * Makes the draft the entry of `key`, in place of one that there may be: hashes and syncs every file, takes away the
   * right to write to it, writes the record last, renames the folder into place. Whatever fails, the draft is gone.
   * @throws InputError where the disk does not take it.
   */
  async commit(key: string, about: { identity: unknown; about?: unknown }): Promise<Entry> {
    try {
      checkKey(key);
      const files = await eachOf(await filesBelow(this.folder), async (path) => ({
        path,
        ...(await seal(join(this.folder, path))),
      }));
      const record = newRecord({ key, identity: about.identity, about: about.about ?? {}, files });
      const file = join(this.folder, RECORD);
      await writeSynced(file, `${JSON.stringify(record, null, 1)}\n`);
      await makeReadOnly(file);
      await syncFolders(this.folder);
      const folder = entryFolder(this.#root, key);
      await this.#root.place(this.folder, folder);
      return { key, folder, record };
    } catch (error) {
      await this.discard();
      throw explainDiskError(error, this.#root.path);
    }
  }

  /** Takes it away; harmless after `commit`. */
  discard(): Promise<void> {
    return this.#root.drop(this.folder);
  }
}

/** Where the entry of a key lies; two letters above, so that no folder holds too many. */
export function entryFolder(root: StoreRoot, key: string): string {
  return root.in('entries', key.slice(0, 2), key);
}

async function seal(path: string) {
  const handle = await openToSync(path);
  try {
    const contents = await hashHandle(handle);
    await handle.sync();
    await makeReadOnly(path);
    return contents;
  } finally {
    await handle.close();
  }
}

/** A courtesy: some file systems (FAT, some network shares) know no such right. */
async function makeReadOnly(path: string): Promise<void> {
  await chmod(path, READ_ONLY).catch(ignore('EPERM', 'ENOTSUP', 'ENOSYS'));
}

/** All files, by their path below the folder with `/`, sorted. */
async function filesBelow(folder: string): Promise<string[]> {
  const items = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = items.flatMap((item) => {
    const path = relative(folder, join(item.parentPath ?? item.path, item.name));
    if (item.isDirectory()) return [];
    if (!item.isFile()) throw new Error(`${path} in a draft is neither file nor folder`);
    if (path === RECORD) throw new Error(`a stage cannot write ${RECORD} into its draft`);
    return [path.split(sep).join('/')];
  });
  return paths.sort();
}
