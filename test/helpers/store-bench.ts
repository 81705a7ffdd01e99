import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Test } from 'uvu';
import type { Entry } from '../../pipeline/store/entry.ts';
import { Store } from '../../pipeline/store/store.ts';
import { scratchFolder } from './scratch.ts';
import { $ } from './shell.ts';
import { testUnless } from './skip.ts';

/** A valid key. */
export const keyOf = (digit: number | string) => String(digit).repeat(64).slice(0, 64);

/** A store in its own folder, and the damage that it reports. */
export function newStore(root = join(scratchFolder(), 'store')) {
  const store = new Store(root);
  const damaged: Parameters<Store['onDamaged']>[0][] = [];
  store.onDamaged = (event) => void damaged.push(event);
  return { store, root, damaged };
}

/** Makes an entry of these files. */
export async function commit(
  store: Store,
  key: string,
  files: Record<string, string | Uint8Array>,
  about: unknown = {},
): Promise<Entry> {
  return store.commit(key, async (draft) => {
    for (const [path, contents] of Object.entries(files)) {
      await mkdir(dirname(join(draft, path)), { recursive: true });
      await writeFile(join(draft, path), contents);
    }
    return { identity: { key }, about };
  });
}

/** The draft folder of an entry that is being written, until `end`. */
export async function openDraft(store: Store): Promise<{ folder: string; end(): Promise<void> }> {
  return new Promise((opened) => {
    const committing = store.commit(keyOf(9), async (folder) => {
      await new Promise<void>((ended) => {
        opened({
          folder,
          async end() {
            ended();
            await committing.catch(() => undefined);
          },
        });
      });
      throw new Error('ended');
    });
    committing.catch(() => undefined);
  });
}

/** Starts a process that uses the store (`store-child.ts`). Returns its pid and reads its further lines. */
export async function startChild(root: string, key: string, what: string) {
  const script = fileURLToPath(new URL('./store-child.ts', import.meta.url));
  const child = $({ nothrow: true })`${process.execPath} --import tsx ${script} ${root} ${key} ${what}`;
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${what}: the process ended: ${(await child).stderr}`);
    return value as string;
  };
  const pid = Number(await line());
  return {
    pid,
    line,
    /** Resolves with its exit code. */
    ended: async () => (await child).exitCode,
    /** SIGKILL; resolves when it is gone. */
    async kill() {
      process.kill(pid, 'SIGKILL');
      await child;
    },
  };
}

interface SmallDisk {
  folder: string;
  readOnly(): Promise<void>;
}

/** Registers a test on a disk of its own (`size` as for tmpfs: `64k`, `1m`), or skips it if none can be mounted. */
export async function testWithDisk(
  test: Test,
  size: string,
  name: string,
  work: (disk: SmallDisk) => Promise<void>,
): Promise<void> {
  const folder = join(scratchFolder(), 'disk');
  await mkdir(folder);
  const { exitCode, stderr } = await $({ nothrow: true })`mount -t tmpfs -o size=${size} none ${folder}`;
  const reason = exitCode ? `no small disk can be mounted: ${stderr.trim()}` : undefined;
  if (!exitCode) await $`umount ${folder}`;
  testUnless(test, reason, name, async () => {
    await $`mount -t tmpfs -o size=${size} none ${folder}`;
    try {
      await work({ folder, readOnly: async () => void (await $`mount -o remount,ro ${folder}`) });
    } finally {
      await $`umount -l ${folder}`;
    }
  });
}
