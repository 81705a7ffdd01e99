import { Command } from 'commander';
import { Regression } from '../regression.ts';

/** `splatline verify RUN`. */
export function verifyCommand(): Command {
  return new Command('verify')
    .description('Re-hash everything that a run left, in its folder and in the store, against its run.json.')
    .argument('<run>', "a run's folder, or its run.json")
    .option('--store <folder>', 'where its saved work lies now; unless given, where the run had it')
    .action(async (run: string, { store }: { store?: string }) => {
      const { verifyRun } = await import('../run/verify.ts');
      const { files, entries, damaged, missing } = await verifyRun(run, { store });
      for (const { path, found, expected, movedTo } of damaged) {
        process.stdout.write(
          `${path}: ${found}, expected ${expected}${movedTo ? `; set aside in ${movedTo}` : ''}\n`,
        );
      }
      for (const id of missing) process.stdout.write(`${id}: its saved work is not in the store\n`);
      process.stdout.write(`${files} files in the folder and ${entries} entries of the store looked at\n`);
      if (damaged.length) {
        throw new Regression(
          `${damaged.length} ${damaged.length > 1 ? 'files are' : 'file is'} not as written; run the pipeline again to mend it`,
        );
      }
    });
}
