import { resolve } from 'node:path';
import { Command } from 'commander';
import { collect } from '../store/gc.ts';
import { Store } from '../store/store.ts';
import { number } from './flags.ts';
import { byteSize } from './format.ts';

const DAY_MS = 864e5;
const GIB = 2 ** 30;

interface GcFlags {
  store: string;
  olderThan?: number;
  keep?: number;
  all?: boolean;
  dryRun?: boolean;
}

/** `splatline gc`. */
export function gcCommand(): Command {
  return new Command('gc')
    .description('Free saved work, the least recently used first. Results in run folders stay.')
    .option('--store <folder>', 'the store', 'out/.store')
    .option('--older-than <days>', 'free entries that were not used for this many days', number(0))
    .option('--keep <GiB>', 'free the least recently used until this much is left', number(0))
    .option('--all', 'free all saved work')
    .option('--dry-run', 'list the entries without freeing them')
    .action(async ({ store, olderThan, keep, all, dryRun }: GcFlags) => {
      const limits = {
        olderThanMs: all ? 0 : olderThan && olderThan * DAY_MS,
        maxBytes: keep && keep * GIB,
        dryRun,
      };
      const saved = new Store(resolve(store));
      if (!(await saved.exists())) {
        return void process.stdout.write(`there is no store in ${saved.root}: nothing to free\n`);
      }
      const { freed, retained } = await collect(saved, limits);
      for (const { what, bytes, path } of freed) {
        process.stdout.write(`${what.padEnd(10)}  ${byteSize(bytes).padStart(9)}  ${path}\n`);
      }
      const sum = (items: readonly { bytes: number }[]) =>
        byteSize(items.reduce((total, { bytes }) => total + bytes, 0));
      const verb = dryRun ? 'would be' : 'were';
      process.stdout.write(`${sum(freed)} ${verb} freed, ${sum(retained)} are kept\n`);
    });
}
