import { resolve } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { Store } from '../store/store.ts';

const SPANS: Record<string, number> = { s: 1e3, m: 6e4, h: 36e5, d: 864e5, w: 6048e5 };
const SIZES: Record<string, number> = {
  '': 1,
  k: 1e3,
  m: 1e6,
  g: 1e9,
  t: 1e12,
  ki: 2 ** 10,
  mi: 2 ** 20,
  gi: 2 ** 30,
  ti: 2 ** 40,
};

/** `splatline gc`. */
export function gcCommand(): Command {
  return new Command('gc')
    .description('Free saved work that no kept run needs. A run is kept as long as its folder is there.')
    .option('--store <folder>', 'the store to look through', 'out/.store')
    .option('--older-than <time>', 'free what was not used for so long: 12h, 30d, 8w', parseSpan)
    .option('--keep <size>', 'free the longest unused until so much is left: 500MB, 20GiB', parseSize)
    .option('--all', 'free all that no kept run needs')
    .option('--dry-run', 'only say what would be freed')
    .action(async ({ store, olderThan, keep, all, dryRun }: GcFlags) => {
      const { collect } = await import('../store/gc.ts');
      const { freed, kept } = await collect(new Store(resolve(store)), {
        olderThanMs: all ? 0 : olderThan,
        maxBytes: keep,
        dryRun,
      });
      for (const one of freed)
        process.stdout.write(`${one.what.padEnd(10)}  ${sizeText(one.bytes).padStart(9)}  ${one.path}\n`);
      const sum = (items: readonly { bytes: number }[]) => items.reduce((total, one) => total + one.bytes, 0);
      process.stdout.write(
        `${sizeText(sum(freed))} ${dryRun ? 'would be' : 'were'} freed, ${sizeText(sum(kept))} are kept\n`,
      );
    });
}

interface GcFlags {
  store: string;
  olderThan?: number;
  keep?: number;
  all?: boolean;
  dryRun?: boolean;
}

/** `30d` → milliseconds. */
export function parseSpan(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([smhdw])$/.exec(text);
  if (!match) throw new InvalidArgumentError('expected a number and s, m, h, d or w, such as 30d');
  return Number(match[1]) * SPANS[match[2]];
}

/** `20GiB`, `500MB` → bytes. */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?i?)b?$/i.exec(text);
  const unit = match?.[2].toLowerCase();
  if (!match || unit === undefined || !(unit in SIZES)) {
    throw new InvalidArgumentError('expected a size such as 500MB or 20GiB');
  }
  return Number(match[1]) * SIZES[unit];
}

function sizeText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const at = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log2(Math.max(1, bytes)) / 10)));
  const value = bytes / 2 ** (10 * at);
  return `${at === 0 ? value : value.toPrecision(3)} ${units[at]}`;
}
