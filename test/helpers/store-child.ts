/**
 * A process that uses a store and that tests kill: `store-child.ts ROOT KEY WHAT`. It prints its pid and each state that
 * it reaches, one per line.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Checkpoints } from '../../pipeline/store/checkpoints.ts';
import { Store } from '../../pipeline/store/store.ts';

const [root, key, what] = process.argv.slice(2);
const store = new Store(root);
const say = (line: string) => process.stdout.write(`${line}\n`);
const forever = () => new Promise<never>(() => setInterval(() => undefined, 1000));

const WORK: Record<string, () => Promise<void>> = {
  /** Holds the key until it is killed. */
  async hold() {
    await store.lock(key);
    say('holds');
    await forever();
  },
  /** Exits while it holds the lock. */
  async exit() {
    await store.lock(key);
    say('holds');
  },
  /** Leaves an entry half-written. */
  async write() {
    await store.commit(key, async (draft) => {
      await writeFile(join(draft, 'half.bin'), 'half');
      say(draft);
      return forever();
    });
  },
  /** Replaces the entry of the key, and its checkpoints, again and again. */
  async churn() {
    const checkpoints = new Checkpoints(store, key);
    for (let round = 1; ; round++) {
      await store.commit(key, async (draft) => {
        for (const name of ['a.bin', 'b.bin']) {
          await writeFile(join(draft, name), Buffer.alloc(20_000 + round, round));
        }
        return { identity: { round } };
      });
      await checkpoints.save({ step: round, numbers: { round }, tensors: { x: Buffer.alloc(9000, round) } });
      if (round === 1) say('first');
    }
  },
  /** Increments a number in a file under the lock; concurrent increments would lose counts. */
  async count() {
    const { readFile } = await import('node:fs/promises');
    for (let i = 0; i < 20; i++) {
      const lock = await store.lock(key);
      const file = join(root, 'count');
      const before = Number(await readFile(file, 'utf8'));
      await new Promise((resolve) => setTimeout(resolve, 2));
      await writeFile(file, String(before + 1));
      lock.release();
    }
  },
};

say(String(process.pid));
await WORK[what]();
