import { resolve } from 'node:path';
import { Command } from 'commander';
import { forgetRuns, KEPT_RUNS, keptRuns, keysOfRuns } from '../run/kept-runs.ts';
import { collect } from '../store/gc.ts';
import { Store } from '../store/store.ts';
import { DEFAULT_STORE, number, whole } from './flags.ts';
import { byteSize } from './format.ts';

const DAY_MS = 864e5;
const GIB = 2 ** 30;

interface GcFlags {
  store: string;
  olderThan?: number;
  keep?: number;
  all?: boolean;
  runs?: number;
  dryRun?: boolean;
}

/** `splatline gc`. */
export function gcCommand(): Command {
  return new Command('gc')
    .description(
      'Free saved work, the least recently used first, but not that of the last runs. Results in run folders stay.',
    )
    .option('--store <folder>', 'the store', DEFAULT_STORE)
    .option('--older-than <days>', 'free entries that were not used for this many days', number(0))
    .option('--keep <GiB>', 'free the least recently used until this much is left', number(0))
    .option(
      '--runs <n>',
      `keep the work of so many finished runs of each name (default: ${KEPT_RUNS})`,
      whole(0),
    )
    .option('--all', 'free all saved work, also of finished runs')
    .option('--dry-run', 'list the entries without freeing them')
    .action(async ({ store, olderThan, keep, all, runs, dryRun }: GcFlags) => {
      const limits = {
        olderThanMs: all ? 0 : olderThan && olderThan * DAY_MS,
        maxBytes: keep && keep * GIB,
        dryRun,
      };
      const saved = new Store(resolve(store));
      if (!(await saved.exists())) {
        return void process.stdout.write(`there is no store in ${saved.root}: nothing to free\n`);
      }
      const limit = all ? 0 : (runs ?? KEPT_RUNS);
      const kept = await keysOfRuns(await keptRuns(saved, limit));
      if (!dryRun) await forgetRuns(saved, limit);
      const { freed, retained } = await collect(saved, { ...limits, kept });
      for (const { what, bytes, path } of freed) {
        process.stdout.write(`${what.padEnd(10)}  ${byteSize(bytes).padStart(9)}  ${path}\n`);
      }
      const sum = (items: readonly { bytes: number }[]) =>
        byteSize(items.reduce((total, { bytes }) => total + bytes, 0));
      const verb = dryRun ? 'would be' : 'were';
      const ofRuns = retained.filter(({ what, key }) => what === 'entry' && kept.has(key));
      const share = ofRuns.length ? ` (${sum(ofRuns)} for the last runs of each name, see --runs)` : '';
      process.stdout.write(`${sum(freed)} ${verb} freed, ${sum(retained)} are kept${share}\n`);
    });
}
