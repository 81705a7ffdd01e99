import { Command } from 'commander';
import { shortPath } from './format.ts';

/** `splatline report RUN`. */
export function reportCommand(): Command {
  return new Command('report')
    .description('Write the page that shows a run: its results, how good they are, and how to repeat it.')
    .argument('<run>', "a run's folder, or its run.json")
    .action(async (run: string) => {
      const { writeRunReport } = await import('../report/write.ts');
      const { file } = await writeRunReport(run);
      process.stdout.write(`${shortPath(file)}\n`);
    });
}
