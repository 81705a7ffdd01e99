/**
 * Trains a capture with every strategy and seed asked for, and scores it on the held-out views (docs/training.md).
 *
 *     npm run quality -- --capture FOLDER [--cap N] [--seeds 42,1,2] [--strategies budget,mcmc,default] [--train JSON]
 */
import { writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import type { Dataset } from '../../stages/artefacts/dataset.ts';
import type { Gaussians } from '../../stages/artefacts/gaussians.ts';
import { releaseGaussians } from '../../stages/artefacts/gaussians.ts';
import { init } from '../../stages/init/stage.ts';
import { load } from '../../stages/load/stage.ts';
import { score } from '../../stages/score/stage.ts';
import type { TrainInput } from '../../stages/train/options.ts';
import { STRATEGIES, type StrategyName } from '../../stages/train/strategies/index.ts';
import { train } from '../../stages/train/train.ts';
import { type Gpu, GpuError, openGpu } from '../../wgsl/core/index.ts';

const USAGE = `npm run quality -- --capture FOLDER [OPTIONS]
  --capture FOLDER   a COLMAP capture; every 8th view is held out
  --downscale N      of its pictures: 1
  --strategies LIST  of ${Object.keys(STRATEGIES).join(', ')}; all unless given
  --seeds LIST       42,1,2
  --cap N            largest number of Gaussians
  --train JSON       more options of the stage train, e.g. '{"steps":3000,"dropout":0}'
  --json FILE        write the result`;

interface Run {
  capture: string;
  strategy: StrategyName;
  seed: number;
  /** Of the stage train, from its beginning to its end. */
  seconds: number;
  gaussians: number;
  /** On the held-out views, and on every fifth of those trained on. */
  psnr: number;
  ssim: number;
  seenPsnr: number;
}

async function runOnce(
  gpu: Gpu,
  dataset: Dataset,
  { capture, strategy, seed, options }: Pick<Run, 'capture' | 'strategy' | 'seed'> & { options: TrainInput },
): Promise<Run> {
  const start = await init(gpu, { dataset }, {}, { seed });
  await gpu.settle();
  const began = performance.now();
  const gaussians = await train(gpu, { dataset, gaussians: start }, { ...options, strategy }, { seed });
  await gpu.settle();
  const seconds = (performance.now() - began) / 1000;
  const heldOut = await fidelity(gpu, dataset, gaussians);
  const seen = dataset.views.filter(({ split }) => split === 'train').filter((_, i) => i % 5 === 0);
  const views = seen.map((view) => ({ ...view, split: 'test' as const }));
  const { psnr: seenPsnr } = await fidelity(gpu, { ...dataset, views }, gaussians);
  const run = { capture, strategy, seed, seconds, gaussians: gaussians.count, ...heldOut, seenPsnr };
  for (const splat of [gaussians, start]) releaseGaussians(splat);
  return run;
}

async function fidelity(
  gpu: Gpu,
  dataset: Dataset,
  gaussians: Gaussians,
): Promise<{ psnr: number; ssim: number }> {
  const { scores } = await score(gpu, { dataset, gaussians }, { metrics: ['psnr', 'ssim'] });
  const numberOf = (name: string) => scores.find((one) => one.name === name)?.value ?? Number.NaN;
  return { psnr: numberOf('psnr'), ssim: numberOf('ssim') };
}

function line(seed: string, { capture, strategy, ...run }: Omit<Run, 'seed'>): string {
  const { gaussians, seconds, psnr, ssim, seenPsnr } = run;
  const cells = [capture, strategy, seed, `${Math.round(gaussians)}`, seconds.toFixed(1), psnr.toFixed(2)];
  return `| ${[...cells, ssim.toFixed(4), seenPsnr.toFixed(2)].join(' | ')} |`;
}

function meanOf(runs: readonly Run[]): Omit<Run, 'seed'> {
  const mean = (name: 'gaussians' | 'seconds' | 'psnr' | 'ssim' | 'seenPsnr') =>
    runs.reduce((sum, run) => sum + run[name], 0) / runs.length;
  const [seconds, gaussians, psnr, ssim, seenPsnr] = [
    mean('seconds'),
    mean('gaussians'),
    mean('psnr'),
    mean('ssim'),
    mean('seenPsnr'),
  ];
  return { ...runs[0], seconds, gaussians, psnr, ssim, seenPsnr };
}

/** 0 when done, 2 for arguments that make no sense, 3 without a GPU. */
async function main(args: readonly string[]): Promise<number> {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      capture: text,
      downscale: text,
      strategies: text,
      seeds: text,
      cap: text,
      train: text,
      json: text,
      help: { type: 'boolean' },
    },
  });
  if (values.help || !values.capture) {
    console.log(USAGE);
    return values.help ? 0 : 2;
  }
  const strategies = (values.strategies?.split(',') ?? Object.keys(STRATEGIES)) as StrategyName[];
  const odd = strategies.find((name) => !(name in STRATEGIES));
  if (odd) throw new Error(`--strategies: ${odd} is none of ${Object.keys(STRATEGIES).join(', ')}`);
  const seeds = (values.seeds ?? '42,1,2').split(',').map(Number);
  const cap = values.cap === undefined ? {} : { cap: Number(values.cap) };
  const options = { ...cap, ...(JSON.parse(values.train ?? '{}') as TrainInput) };
  const gpu = await openGpu();
  try {
    const downscale = Number(values.downscale ?? 1);
    const { dataset } = await load(gpu, {}, { colmap: values.capture, downscale, holdout: 8 });
    const capture = basename(values.capture);
    console.log(`${gpu.adapter.description}; options ${JSON.stringify(options)}`);
    console.log('| capture | strategy | seed | Gaussians | seconds | PSNR | SSIM | PSNR of views seen |');
    console.log('|---|---|---|---|---|---|---|---|');
    const all: Run[] = [];
    for (const strategy of strategies) {
      const runs: Run[] = [];
      for (const seed of seeds) {
        runs.push(await runOnce(gpu, dataset, { capture, strategy, seed, options }));
        console.log(line(String(seed), runs.at(-1)!));
      }
      console.log(line('mean', meanOf(runs)));
      all.push(...runs);
    }
    if (values.json)
      await writeFile(
        values.json,
        `${JSON.stringify({ adapter: gpu.adapter, options, runs: all }, null, 2)}\n`,
      );
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
