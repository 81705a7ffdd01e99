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
import { GpuError, openGpu } from '../../wgsl/core/index.ts';
import { DEFAULT_CLIP_MODELS } from './clip-models.ts';
import type { ClipSelection } from './clip-rows.ts';
import { formatComparison, heading, nameOf } from './compare.ts';
import { benchFrames, FRAMES, type FramesSize } from './frames.ts';
import { copyBandwidth, type Effort } from './measure.ts';
import { ALL, type Kind, type Options, parseOptions, USAGE } from './options.ts';
import { scalingPlots } from './plot.ts';
import { gitState, type Result, readResult, versions } from './result.ts';
import { KINDS } from './row.ts';
import { bench, SIZES, type Size } from './rows.ts';
import { benchScaling, SCALING, type Scaling } from './scaling.ts';
import { loadPoints } from './scene.ts';
import { formatRows } from './table.ts';

const GARDEN = fileURLToPath(new URL('../../../shared/data/test_garden.npz', import.meta.url));

/** 0 when done, 2 for arguments that make no sense, 3 without a GPU. */
async function main(args: readonly string[]): Promise<number> {
  let options: Options;
  try {
    options = parseOptions(args);
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`);
    return 2;
  }
  const { values, positionals } = options;
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
      const kinds: readonly Kind[] = values.only ?? (software ? KINDS : ALL);
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
  { models, batches, precision, tiny }: Options['values'],
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

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = error instanceof GpuError ? 3 : 2;
}
