/**
 * Measures a training step, pictures, sorts, SSIM, losses and CLIP at five sizes, frames to files, and how a step's time grows with the scene
 * and the picture (docs/performance.md).
 *
 *     npm run bench [-- --garden FILE.npz] [--only step,render,sort,ssim,losses,clip,frames] [--rows 1,2,…] [--steps N] [--json FILE]
 *     npm run bench -- --only clip [--models b32,b16,l14,demo] [--batches 1,8,64] [--precision auto|f16|f32]
 *     npm run bench -- --scaling [--json FILE]
 *     npm run bench -- --compare A.json B.json
 *     npm run bench -- --plot RESULT.json FOLDER
 */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { GpuError, openGpu } from '../../wgsl/core/index.ts';
import { CLIP_MODELS, DEFAULT_CLIP_MODELS, PRECISIONS, type Precision } from './clip-models.ts';
import type { ClipSelection } from './clip-rows.ts';
import { formatComparison, heading, nameOf } from './compare.ts';
import { benchFrames, FRAMES, type FramesSize } from './frames.ts';
import { copyBandwidth, type Effort } from './measure.ts';
import { scalingPlots } from './plot.ts';
import { gitState, type Result, readResult, versions } from './result.ts';
import { KINDS } from './row.ts';
import { bench, SIZES, type Size } from './rows.ts';
import { benchScaling, SCALING, type Scaling } from './scaling.ts';
import { loadPoints } from './scene.ts';
import { formatRows } from './table.ts';

/** Bench of what `--only` names. */
const ALL = [...KINDS, 'frames'] as const;

const USAGE = `npm run bench [-- OPTIONS]
  --garden FILE   gsplat's test_garden.npz; ../shared/data/test_garden.npz where it is, otherwise a formula
  --formula       the formula, even where that file is
  --only LIST     of ${ALL.join(', ')}
  --rows LIST     of ${SIZES.map(({ row }) => row).join(', ')}; on a software adapter 1 unless given
  --steps N       frames of a round on the wall clock: 200, on a software adapter 5
  --models LIST   of ${CLIP_MODELS.join(', ')}, or folders of CLIP models (with a /);
                  ${DEFAULT_CLIP_MODELS.join(',')} unless given, on a software adapter demo
  --batches LIST  crops; 1,8,64 unless given, on a software adapter 8
  --precision P   of CLIP: ${PRECISIONS.join(', ')}; auto unless given
  --tiny          a hundredth of the points, pictures an eighth as wide: to see that it runs
  --json FILE     write the result
  --commit NAME   the commit, where these sources are a copy without git
  --scaling       steps of 0.1 to 20 million Gaussians, and of 0.3 to 8 million pixels, instead of the rows
npm run bench -- --compare A.json B.json
npm run bench -- --plot RESULT.json FOLDER    writes --scaling's result as two SVG plots`;

const GARDEN = fileURLToPath(new URL('../../../shared/data/test_garden.npz', import.meta.url));

/** 0 when done, 2 for arguments that make no sense, 3 without a GPU. */
async function main(args: readonly string[]): Promise<number> {
  const given = parse(args);
  if (!given) {
    console.error(USAGE);
    return 2;
  }
  const { values, positionals } = given;
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  if (values.compare) {
    console.log(formatComparison(readResult(positionals[0]), readResult(positionals[1])));
    return 0;
  }
  if (values.plot) {
    const result = readResult(positionals[0]);
    const plots = scalingPlots(result.rows, nameOf(result));
    if (!plots.size) throw new Error(`${positionals[0]} has no two rows of --scaling`);
    for (const [name, svg] of plots) await writeFile(join(positionals[1], name), svg);
    console.log([...plots.keys()].map((name) => join(positionals[1], name)).join('\n'));
    return 0;
  }
  // Quantised timestamps are coarser than most kernels.
  const gpu = await openGpu({ dawn: ['disable-dawn-features=timestamp_quantization'] });
  try {
    const { software } = gpu.adapter;
    const rows = values.rows ?? (software ? ['1'] : SIZES.map(({ row }) => String(row)));
    const effort = effortOf(software, values.steps);
    const sizes: Size[] = SIZES.filter(({ row }) => rows.includes(String(row))).map((size) =>
      values.tiny ? { ...size, width: size.width / 8 } : size,
    );
    const garden = values.formula ? undefined : (values.garden ?? (existsSync(GARDEN) ? GARDEN : undefined));
    const points = loadPoints(garden, values.tiny ? 100 : 1);
    const git = await gitState();
    const result: Result = {
      format: 2,
      date: new Date().toISOString(),
      adapter: gpu.adapter,
      commit: git.commit ?? values.commit ?? null,
      dirty: git.dirty,
      versions: versions(),
      effort,
      copyBandwidth: await copyBandwidth(gpu),
      rows: [],
    };
    console.log(`${heading(result)}\na copy moves ${(result.copyBandwidth / 1e9).toFixed(0)} GB/s`);
    const tell = {
      onRow: ({ id }: { id: string }) => console.error(`measured ${id}`),
      onSkip: (text: string) => console.error(text),
    };
    if (values.scaling) {
      const { steps } = effort;
      // Large scenes take a while: fewer steps, fewer rounds.
      const less = software ? effort : { warmup: 10, profiled: 5, steps: Math.min(steps, 50), rounds: 3 };
      result.rows = await benchScaling(gpu, points, values.tiny ? tinyScaling(SCALING) : SCALING, less, tell);
    } else {
      // Frames to files take minutes on a software adapter: only where they are asked for.
      const kinds: readonly (typeof ALL)[number][] = values.only ?? (software ? KINDS : ALL);
      const tables = KINDS.filter((kind) => kinds.includes(kind));
      if (tables.length) {
        const clip = clipSelection(software, values);
        result.rows = await bench(gpu, points, { sizes, kinds: tables, effort, clip, ...tell });
      }
      if (kinds.includes('frames')) {
        const frames = values.tiny ? tinyFrames(FRAMES) : FRAMES;
        result.rows.push(...(await benchFrames(gpu, points, frames, effort, tell)));
      }
    }
    console.log(`\n${formatRows(result.rows, result.copyBandwidth)}`);
    if (values.json) await writeFile(values.json, `${JSON.stringify(result, null, 2)}\n`);
    return 0;
  } finally {
    gpu.close();
  }
}

/** A software adapter takes minutes for a large model: it measures one only where it is named. */
function clipSelection(
  software: boolean,
  { models, batches, precision, tiny }: NonNullable<ReturnType<typeof parse>>['values'],
): ClipSelection {
  if (tiny) return { models: ['tiny'], batches: [1, 2], precision, restyle: { model: 'tiny', batch: 2 } };
  return {
    models: models ?? (software ? ['demo'] : DEFAULT_CLIP_MODELS),
    batches: batches ?? (software ? [8] : [1, 8, 64]),
    precision,
    restyle: { model: 'b32', batch: 64 },
  };
}

function tinyScaling({ gaussians, width, pixels, factor }: Scaling): Scaling {
  return {
    gaussians: gaussians.map((n) => n / 100),
    width: width / 8,
    pixels: pixels.map((n) => n / 64),
    factor,
  };
}

function tinyFrames(size: FramesSize): FramesSize {
  return {
    ...size,
    width: size.width / 8,
    height: 2 * Math.round(size.height / 16),
    frames: 16,
    pictures: 4,
  };
}

function effortOf(software: boolean, steps?: number): Effort {
  return software
    ? { warmup: 1, profiled: 3, steps: steps ?? 5, rounds: 1 }
    : { warmup: 20, profiled: 40, steps: steps ?? 200, rounds: 5 };
}

/** Undefined where the arguments make no sense; why is on stderr then. */
function parse(args: readonly string[]) {
  const list = (text: string | undefined, known: readonly string[], name: string) => {
    const words = text?.split(',');
    const odd = words?.find((word) => !known.includes(word));
    if (odd !== undefined) throw new Error(`--${name}: ${odd} is none of ${known.join(', ')}`);
    return words;
  };
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        garden: { type: 'string' },
        formula: { type: 'boolean' },
        only: { type: 'string' },
        rows: { type: 'string' },
        steps: { type: 'string' },
        models: { type: 'string' },
        batches: { type: 'string' },
        precision: { type: 'string', default: 'auto' },
        tiny: { type: 'boolean' },
        json: { type: 'string' },
        commit: { type: 'string' },
        scaling: { type: 'boolean' },
        compare: { type: 'boolean' },
        plot: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    });
    if (positionals.length !== (values.compare || values.plot ? 2 : 0)) {
      throw new Error(
        values.compare
          ? '--compare takes two files'
          : values.plot
            ? '--plot takes a file and a folder'
            : `unexpected ${positionals[0]}`,
      );
    }
    const steps = values.steps === undefined ? undefined : Number(values.steps);
    if (steps !== undefined && !(Number.isInteger(steps) && steps > 0)) {
      throw new Error(`--steps is a whole number from 1, got ${values.steps}`);
    }
    const only = list(values.only, ALL, 'only') as (typeof ALL)[number][] | undefined;
    const rows = list(
      values.rows,
      SIZES.map(({ row }) => String(row)),
      'rows',
    );
    const models = values.models?.split(',');
    const odd = models?.find(
      (name) => !(CLIP_MODELS as readonly string[]).includes(name) && !name.includes('/'),
    );
    if (odd !== undefined)
      throw new Error(`--models: ${odd} is no folder and none of ${CLIP_MODELS.join(', ')}`);
    const batches = values.batches?.split(',').map(Number);
    if (batches?.some((count) => !(Number.isInteger(count) && count > 0))) {
      throw new Error(`--batches are whole numbers from 1, got ${values.batches}`);
    }
    const [precision] = list(values.precision, PRECISIONS, 'precision') as Precision[];
    return { values: { ...values, steps, only, rows, models, batches, precision }, positionals };
  } catch (error) {
    console.error((error as Error).message);
    return undefined;
  }
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = error instanceof GpuError ? 3 : 2;
}
