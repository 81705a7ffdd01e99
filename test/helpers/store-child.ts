/**
 * A process that uses a store, to be killed: `store-child.ts ROOT KEY WHAT`. It says its pid and what it has come to, a
 * line each.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Store } from '../../pipeline/store/store.ts';

const [root, key, what] = process.argv.slice(2);
const store = new Store(root);
const say = (line: string) => process.stdout.write(`${line}\n`);
const forever = () => new Promise(() => setInterval(() => undefined, 1000));

const WORK: Record<string, () => Promise<void>> = {
  /** Holds the key until it is killed. */
  async hold() {
    await store.lock(key);
    say('holds');
    await forever();
  },
  /** Ends with the lock in hand. */
  async exit() {
    await store.lock(key);
    say('holds');
  },
  /** Leaves an entry half-written. */
  async write() {
    const writer = await store.newEntry();
    await writeFile(join(writer.folder, 'half.bin'), 'half');
    say(writer.folder);
    await forever();
  },
  /** Replaces the entry of the key, and its checkpoints, again and again. */
  async churn() {
    for (let round = 1; ; round++) {
      const writer = await store.newEntry();
      for (const name of ['a.bin', 'b.bin']) {
        await writeFile(join(writer.folder, name), Buffer.alloc(20_000 + round, round));
      }
      await writer.commit(key, { identity: { round } });
      await store
        .checkpoints(key)
        .save({ step: round, numbers: { round }, tensors: { x: Buffer.alloc(9000, round) } });
      if (round === 1) say('first');
    }
  },
  /** Counts up a file, each time under the lock; what it counts on is lost if two do it at once. */
  async count() {
    const { readFile } = await import('node:fs/promises');
    for (let i = 0; i < 20; i++) {
      const lock = await store.lock(key);
      const file = join(root, 'count');
      const before = Number(await readFile(file, 'utf8'));
      await new Promise((resolve) => setTimeout(resolve, 2));
      await writeFile(file, String(before + 1));
      await lock.release();
    }
  },
};

say(String(process.pid));
await WORK[what]();
