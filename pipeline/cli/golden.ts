import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Command } from 'commander';
import { InputError } from '../../wgsl/core/index.ts';
import { Regression } from '../exit.ts';
import type { CheckOptions } from '../golden/check.ts';
import type { RecordOptions } from '../golden/record.ts';
import { collect, takeAdapter, whole } from './flags.ts';
import { byteSize } from './format.ts';
import { interruptible } from './interruption.ts';
import { standardPrinter } from './progress.ts';

/** `splatline golden record FILE` and `splatline golden check FILE`. */
export function goldenCommand(): Command {
  const command = new Command('golden')
    .description('Record the pictures and scores of a pipeline, and check them after a change.')
    .addCommand(recordCommand())
    .addCommand(checkCommand());
  for (const each of command.commands) each.exitOverride();
  return command;
}

function recordCommand(): Command {
  return new Command('record')
    .description('Run a pipeline file and store small golden renders beside it, to be committed.')
    .argument('<file>', 'a pipeline file (YAML)')
    .option('--set <stage.option=value>', 'override a value of the file, in every check too', collect, [])
    .option('--cell <values>', 'the cell of a file with a matrix, in every check too')
    .option('--out <folder>', 'write the run here instead of out/<name>')
    .option('--store <folder>', 'the folder of saved work')
    .option('--adapter <name>', 'use the adapter whose name contains this', (name) => takeAdapter([name]))
    .option('--frames <count>', 'number of golden frames', whole(1, 100), 6)
    .option('--size <pixels>', 'longer side of a golden frame', whole(16, 1024), 192)
    .action(async (file: string, flags: RecordOptions) => {
      const { recordGolden } = await import('../golden/record.ts');
      const { folder, golden } = await interruptible((signal) =>
        recordGolden(file, { ...flags, signal, onEvent: standardPrinter(signal) }),
      );
      const { splat, chain, frames } = golden;
      process.stdout.write(`
Recorded ${frames.length} golden frames, ${splat.count} Gaussians (${byteSize(splat.bytes)}), ${chain.frames.length} turntable pictures and ${chain.scores.length} scores.
Commit ${folder}.
`);
    });
}

function checkCommand(): Command {
  return new Command('check')
    .description('Render the committed splat and run the pipeline afresh; exit code 1 for a difference.')
    .argument('<file>', 'a pipeline file (YAML) with golden renders beside it')
    .option('--junit <file>', 'write JUnit XML')
    .option('--html <file>', 'write a page with every frame as recorded, now, and their difference')
    .option('--json', 'print the report as JSON')
    .option('--adapter <name>', 'use the adapter whose name contains this', (name) => takeAdapter([name]))
    .action(async (file: string, flags: CheckOptions & { junit?: string; html?: string; json?: boolean }) => {
      const { junit, html, json, ...options } = flags;
      const { checkGolden } = await import('../golden/check.ts');
      const { failures, goldenReport, junitXml, reportText, summary } = await import('../golden/report.ts');
      const { reportPage } = await import('../report/write.ts');
      const checked = await interruptible((signal) =>
        checkGolden(file, { ...options, signal, onEvent: json ? undefined : standardPrinter(signal) }),
      );
      const { frames: _, ...report } = checked;
      const passed = failures(report).length === 0;
      if (junit !== undefined) await writeReport(junit, junitXml(report));
      if (html !== undefined) await writeReport(html, await reportPage(goldenReport(checked)));
      const text = json ? JSON.stringify({ ...report, passed }, null, 2) : `\n${reportText(report)}`;
      process.stdout.write(`${text}\n`);
      if (!passed) throw new Regression(summary(report));
    });
}

async function writeReport(path: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? error;
    throw new InputError(`the report cannot be written (${reason})`, path);
  }
}
