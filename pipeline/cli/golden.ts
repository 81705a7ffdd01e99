import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { InputError } from '../../wgsl/core/index.ts';
import { adapterName } from '../golden/adapter.ts';
import { DEFAULT_TOLERANCE } from '../golden/bounds.ts';
import type { Checked } from '../golden/check.ts';
import { junitXml } from '../golden/junit.ts';
import type { Recorded } from '../golden/record.ts';
import { failures, summary } from '../golden/report.ts';
import { reportTable } from '../golden/table.ts';
import { Regression } from '../regression.ts';
import { interruptible } from './interruption.ts';
import { collect } from './place.ts';
import { progressPrinter } from './progress.ts';

/** `splatline golden record FILE` and `splatline golden check FILE`. */
export function goldenCommand(): Command {
  const command = new Command('golden')
    .description('Record a pipeline’s pictures and scores, and check that they are still the same.')
    .addCommand(recordCommand())
    .addCommand(checkCommand());
  for (const each of command.commands) each.exitOverride();
  return command;
}

interface RecordFlags {
  set: string[];
  cell?: string;
  out?: string;
  store?: string;
  adapter?: string;
  frames: number;
  size: number;
  maxSplat: number;
  marginRuns: number;
  max: number;
  mean: number;
  ssim: number;
}

function recordCommand(): Command {
  return new Command('record')
    .description('Run a pipeline file and store small golden renders beside it, to be committed.')
    .argument('<file>', 'a pipeline file (YAML)')
    .option('--set <stage.option=value>', 'override a value of the file; every check repeats it', collect, [])
    .option('--cell <values>', 'of a file with a matrix: this cell; every check repeats it')
    .option('--out <folder>', 'write the run here instead of out/<name>')
    .option('--store <folder>', 'where saved work is kept')
    .option('--adapter <name>', 'on the adapter whose name has this in it')
    .option('--frames <count>', 'golden frames', whole(1, 100), 6)
    .option('--size <pixels>', 'longer side of a golden frame', whole(16, 1024), 192)
    .option('--max-splat <MB>', 'largest splat that may be committed', number(0), 8)
    .option(
      '--margin-runs <count>',
      'runs with other seeds that measure the bounds of the scores',
      whole(0, 20),
      2,
    )
    .option(
      '--max <levels>',
      'on another adapter: largest difference of a pixel',
      number(0),
      DEFAULT_TOLERANCE.max,
    )
    .option(
      '--mean <levels>',
      'on another adapter: mean difference of a frame',
      number(0),
      DEFAULT_TOLERANCE.mean,
    )
    .option('--ssim <value>', 'on another adapter: least SSIM of a frame', number(-1), DEFAULT_TOLERANCE.ssim)
    .action(async (file: string, { max, mean, ssim, ...options }: RecordFlags) => {
      const say = (what: string) => process.stdout.write(`golden    ${what}\n`);
      const onEvent = progressPrinter(process.stdout);
      const tolerance = { max, mean, ssim };
      const { recordGolden } = await import('../golden/record.ts');
      const recorded = await interruptible((signal) =>
        recordGolden(file, { ...options, tolerance, onEvent, say, signal }),
      );
      process.stdout.write(`${recordedText(recorded)}\n`);
    });
}

interface CheckFlags {
  adapter?: string;
  out?: string;
  junit?: string;
  html?: string;
  json?: boolean;
  asForeign?: boolean;
}

function checkCommand(): Command {
  return new Command('check')
    .description(
      'Render the committed splat and run the pipeline afresh; exit code 1 when a picture or score changed.',
    )
    .argument('<file>', 'a pipeline file (YAML) with golden renders beside it')
    .option('--junit <file>', 'write JUnit XML')
    .option('--html <file>', 'write a page with before, after and difference of every frame')
    .option('--json', 'print the report as JSON instead of a table')
    .option('--out <folder>', 'keep the run here (a new or empty folder)')
    .option('--adapter <name>', 'on the adapter whose name has this in it')
    .option('--as-foreign', 'judge as on another adapter: by tolerance and bounds')
    .action(async (file: string, { junit, html, json, ...options }: CheckFlags) => {
      const speaks = json
        ? {}
        : {
            onEvent: progressPrinter(process.stdout),
            say: (what: string) => process.stdout.write(`golden    ${what}\n`),
          };
      const { checkGolden } = await import('../golden/check.ts');
      const checked = await interruptible((signal) => checkGolden(file, { ...options, ...speaks, signal }));
      const { report } = checked;
      if (junit !== undefined) await writeReport(junit, junitXml(report));
      if (html !== undefined) {
        const { reportPage } = await import('../golden/html.ts');
        await writeReport(html, reportPage(checked));
      }
      process.stdout.write(
        `${json ? JSON.stringify(jsonOf(checked), null, 2) : `\n${reportTable(report)}`}\n`,
      );
      if (failures(report).length) throw new Regression(summary(report));
    });
}

function jsonOf({ report }: Checked) {
  return { ...report, passed: failures(report).length === 0 };
}

function recordedText({ folder, golden, bytes }: Recorded): string {
  const { margin, tolerance, chain, frames } = golden;
  const seeds = chain.seeds.length
    ? `bounds of ${chain.scores.length} scores, measured with ${chain.seeds.length === 1 ? 'seed' : 'seeds'} ${chain.seeds.join(', ')}`
    : `bounds of ${chain.scores.length} scores, not measured (--margin-runs 0)`;
  return [
    '',
    `Recorded on ${adapterName(golden.adapter)}:`,
    `  ${frames.length} golden frames, ${golden.splat.count} Gaussians, ${chain.frames.length} turntable pictures`,
    `  measured margin: up to ${margin.worst.max} levels, ${margin.worst.mean} in the mean, SSIM ${margin.worst.ssim}`,
    ...margin.renders.map(({ how, max, mean, ssim }) => `    ${how}: ${max}, ${mean}, ${ssim}`),
    `  tolerance elsewhere: up to ${tolerance.max} levels, ${tolerance.mean} in the mean, SSIM ${tolerance.ssim}`,
    `  ${seeds}`,
    `Commit ${folder} (${(bytes / 1e6).toFixed(2)} MB).`,
  ].join('\n');
}

async function writeReport(path: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  } catch (error) {
    throw new InputError(
      `the report cannot be written (${(error as NodeJS.ErrnoException).code ?? error})`,
      path,
    );
  }
}

/** Parses an option that is a number of at least `least`. */
function number(least: number) {
  return (value: string): number => {
    const parsed = Number(value);
    if (value.trim() === '' || !Number.isFinite(parsed) || parsed < least)
      throw new InvalidArgumentError(`Expected a number, at least ${least}.`);
    return parsed;
  };
}

/** Parses an option that is a whole number in a range. */
function whole(least: number, most: number) {
  return (value: string): number => {
    const parsed = Number(value);
    if (value.trim() === '' || !Number.isInteger(parsed) || parsed < least || parsed > most)
      throw new InvalidArgumentError(`Expected a whole number from ${least} to ${most}.`);
    return parsed;
  };
}
