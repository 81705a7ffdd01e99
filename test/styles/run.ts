/**
 * Restyles captures towards prompts with each configuration of the losses, scores the results by the model that steered them and
 * by a judge that did not, and prints a table (docs/restyling.md). Stages that the store has do not run again.
 *
 *     npm run styles -- [--capture NAME=FOLDER]... [--prompts LIST] [--configurations LIST] [--steps N] [--json FILE] [--sheet DIR]
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openGpu, readPipeline, runPlan, type Score, stages } from '../../pipeline/index.ts';
import { DEMO } from '../../stages/clip/resolve.ts';
import { steeringOf } from '../../stages/losses/index.ts';
import { type Gpu, GpuError } from '../../wgsl/core/index.ts';
import { type Capture, isCarried, readCapture } from './capture.ts';
import { PROMPTS } from './prompts.ts';
import { type Cell, rowOf, summaryOf, TABLE_HEAD } from './report.ts';
import { writeSheet } from './sheet.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const JUDGE = join(ROOT, 'test/data/judge');
const METRICS = ['clip', 'clip.rank', 'structure', 'consistency', 'consistency.long'];
/** Of a pipeline with a restyling. */
const STAGES = ['load', 'init', 'train', 'stylize', 'orbit', 'score'];
/** Longest side of a frame of the turntable, pixels. */
const SIDE = 320;
/** The long range of consistency is seven frames. */
const FRAMES = 16;

const USAGE = `npm run styles -- [OPTIONS]
  --capture NAME=FOLDER  a COLMAP capture, any number of times; the carried one unless given
  --prompts LIST         separated by commas; twelve unless given. The judge ranks each among all twelve
  --configurations LIST  of paper, wall, wall-without-LOSS, wall-without-tint and wall-without-color-decay; all unless given
  --model MODEL          steers the restyling; the demo model unless given
  --judge MODEL          judges it: ${JUDGE}
  --steps N              of the stage stylize
  --set STAGE.OPTION=X   of every pipeline, any number of times, as of splatline run
  --out DIR              results and store: out/styles
  --json FILE            write the result
  --sheet DIR            write a contact sheet of each capture`;

/** What a configuration sets in the stage stylize. */
function restyling(configuration: string): object {
  const [preset, without] = configuration.split('-without-');
  if (without === 'tint') return { preset, tint: 'none' };
  if (without === 'color-decay') return { preset, colorDecay: {} };
  return { preset, ...(without && { losses: { [without]: 0 } }) };
}

/** @throws Error for the first of `given` that is not in `known`. */
function requireKnown(option: string, given: readonly string[], known: readonly string[]): void {
  const unknown = given.find((one) => !known.includes(one));
  if (unknown !== undefined) throw new Error(`${option}: ${unknown} is none of ${known.join(', ')}`);
}

/** The stage of `STAGE.OPTION=X`. */
const stageOf = (assignment: string) => assignment.split('.')[0];

interface Settings {
  gpu: Gpu;
  model?: string;
  judge: string;
  prompts: readonly string[];
  set: readonly string[];
  out: string;
}

/** Runs one pipeline. Without `stylize` it ends with the turntable of the trained splat. Returns seconds and what ran. */
async function runPipeline(
  capture: Capture,
  name: string,
  stylize: object | undefined,
  { gpu, judge, prompts, set, out }: Settings,
): Promise<{ folder: string; seconds: number; hasRun: boolean }> {
  const background = isCarried(capture) ? 'white' : 'black';
  const among = [...new Set([...PROMPTS, ...prompts])];
  const scale = SIDE / Math.max(...capture.size);
  const size = capture.size.map((side) => 2 * Math.round((side * scale) / 2));
  const document = {
    name: capture.name,
    seed: 42,
    stages: [
      { load: { colmap: capture.folder, holdout: 8 } },
      { init: {} },
      { train: { background } },
      ...(stylize ? [{ stylize: { ...stylize, background } }] : []),
      { orbit: { frames: FRAMES, size, background, files: ['png'] } },
      ...(stylize ? [{ score: { metrics: METRICS, judge, among, background } }] : []),
    ],
  };
  const folder = join(out, capture.name, encodeURIComponent(name));
  const ids = document.stages.flatMap((stage) => Object.keys(stage));
  const plan = await readPipeline(join(ROOT, 'styles.yaml'), {
    text: JSON.stringify(document),
    set: set.filter((one) => ids.includes(stageOf(one))),
    registry: stages,
  });
  let seconds = 0;
  const { ran } = await runPlan(plan, {
    gpu,
    out: folder,
    store: join(out, '.store'),
    onEvent(event) {
      if ((event.event === 'done' || event.event === 'cached') && event.stage === 'stylize')
        seconds = event.seconds;
    },
  });
  return { folder, seconds, hasRun: ran.includes(stylize ? 'stylize' : 'train') };
}

async function runCell(
  capture: Capture,
  key: Pick<Cell, 'prompt' | 'configuration'>,
  settings: Settings,
): Promise<Cell> {
  const { prompt, configuration } = key;
  const { model } = settings;
  const stylize = { prompt, ...(model && { model }), ...restyling(configuration) };
  const name = `${prompt}--${configuration}`;
  const { folder, seconds, hasRun } = await runPipeline(capture, name, stylize, settings);
  const { scores } = JSON.parse(await readFile(join(folder, 'scores.json'), 'utf8')) as { scores: Score[] };
  const values = Object.fromEntries(scores.map((score) => [score.name, score.value]));
  return { capture: capture.name, ...key, seconds, hasRun, folder, scores: values };
}

/** 0 when done, 2 for arguments that make no sense, 3 without a GPU. */
async function main(args: readonly string[]): Promise<number> {
  const text = { type: 'string' } as const;
  const list = { type: 'string', multiple: true } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      capture: list,
      prompts: text,
      configurations: text,
      model: text,
      judge: text,
      steps: text,
      set: list,
      out: text,
      json: text,
      sheet: text,
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const { model, steps, out = 'out/styles' } = values;
  const { losses, tint, colorDecay } = steeringOf('wall', (model ?? DEMO) === DEMO);
  const parts = [
    ...Object.keys(losses),
    ...(tint === 'auto' ? ['tint'] : []),
    ...(colorDecay ? ['color-decay'] : []),
  ];
  const captures = await Promise.all((values.capture ?? [undefined]).map(readCapture));
  const names = captures.map(({ name }) => name);
  if (new Set(names).size < names.length) throw new Error(`--capture: ${names.join(', ')} must differ`);
  const listOf = (given: string) => given.split(',').map((one) => one.trim());
  const prompts = values.prompts === undefined ? PROMPTS : listOf(values.prompts);
  const all = ['paper', 'wall', ...parts.map((part) => `wall-without-${part}`)];
  const configurations = values.configurations === undefined ? all : listOf(values.configurations);
  requireKnown('--configurations', configurations, all);
  const set = [...(steps ? [`stylize.steps=${steps}`] : []), ...(values.set ?? [])];
  requireKnown('--set', set.map(stageOf), STAGES);
  const gpu = await openGpu();
  try {
    const settings = { gpu, model, judge: values.judge ?? JUDGE, prompts, set, out: resolve(out) };
    console.log(TABLE_HEAD);
    const cells: Cell[] = [];
    for (const capture of captures) {
      const base = await runPipeline(capture, 'base', undefined, settings);
      for (const prompt of prompts) {
        for (const configuration of configurations) {
          const cell = await runCell(capture, { prompt, configuration }, settings);
          cells.push(cell);
          console.log(rowOf(cell));
        }
        // After each prompt, so that a run that is stopped leaves what it has.
        const made = cells.filter((cell) => cell.capture === capture.name);
        if (values.sheet) await writeSheet(join(values.sheet, `${capture.name}.png`), base.folder, made);
        const rows = cells.map(({ folder: _, ...cell }) => cell);
        const result = { adapter: gpu.adapter, set, prompts, cells: rows, summary: summaryOf(cells) };
        if (values.json) await writeFile(values.json, `${JSON.stringify(result, null, 2)}\n`);
      }
    }
    console.log(`\n${summaryOf(cells).join('\n')}`);
    return 0;
  } finally {
    gpu.close();
  }
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = error instanceof GpuError ? 3 : 2;
}
