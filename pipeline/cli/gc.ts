import { resolve } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { Store } from '../store/store.ts';
import { byteSize } from './format.ts';

const MILLISECONDS: Record<string, number> = { s: 1e3, m: 6e4, h: 36e5, d: 864e5, w: 6048e5 };
const PREFIXES = ['', 'k', 'm', 'g', 't'];

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
    .option('--older-than <time>', 'free entries that were not used for this long: 12h, 30d, 8w', parseSpan)
    .option('--keep <size>', 'free the least recently used until this much is left: 500MB, 20GiB', parseSize)
    .option('--all', 'free all saved work')
    .option('--dry-run', 'list the entries without freeing them')
    .action(async ({ store, olderThan, keep, all, dryRun }: GcFlags) => {
      const { collect } = await import('../store/gc.ts');
      const limits = { olderThanMs: all ? 0 : olderThan, maxBytes: keep, dryRun };
      const { freed, kept } = await collect(new Store(resolve(store)), limits);
      for (const { what, bytes, path } of freed) {
        process.stdout.write(`${what.padEnd(10)}  ${byteSize(bytes).padStart(9)}  ${path}\n`);
      }
      const sum = (items: readonly { bytes: number }[]) =>
        byteSize(items.reduce((total, { bytes }) => total + bytes, 0));
      process.stdout.write(`${sum(freed)} ${dryRun ? 'would be' : 'were'} freed, ${sum(kept)} are kept\n`);
    });
}

/** `30d` → milliseconds. */
export function parseSpan(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([smhdw])$/.exec(text);
  if (!match) throw new InvalidArgumentError('expected a number and s, m, h, d or w, such as 30d');
  return Number(match[1]) * MILLISECONDS[match[2]];
}

/** `20GiB`, `500MB` → bytes. */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(?:([kmgt])(i?))?b?$/i.exec(text);
  if (!match) throw new InvalidArgumentError('expected a size such as 500MB or 20GiB');
  const [, number, prefix = '', binary] = match;
  return Number(number) * (binary ? 1024 : 1000) ** PREFIXES.indexOf(prefix.toLowerCase());
}
