import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { type Background, backgroundColor } from '../../stages/artefacts/background.ts';
import { resizeCamera, type Vec3 } from '../../stages/artefacts/camera.ts';
import { releaseDataset } from '../../stages/artefacts/dataset.ts';
import { releaseGaussians } from '../../stages/artefacts/gaussians.ts';
import { loadGaussians } from '../../stages/artefacts/gaussians-file.ts';
import type { Score } from '../../stages/artefacts/scores.ts';
import { type LoadOptions, load } from '../../stages/load/stage.ts';
import { type Gpu, InputError } from '../../wgsl/core/index.ts';
import type { Plan } from '../file/plan.ts';
import { openDevice } from '../open-device.ts';
import {
  type ChainResult,
  type GoldenOptions,
  inFolder,
  note,
  readPlan,
  runChain,
  splatStage,
} from './chain.ts';
import { compare, type Difference, encodePicture, pictureHash, worst } from './picture.ts';
import {
  GOLDEN,
  type Golden,
  type GoldenScore,
  type NamedCamera,
  replaceGolden,
  versions,
} from './recording.ts';
import { MOVED, renderMoved, renderView } from './render.ts';

export interface RecordOptions extends GoldenOptions {
  /** The run's store, as `runPlan` takes it. */
  store?: string;
  /** `STAGE.OPTION=VALUE`; recorded, and repeated by every check. */
  set: readonly string[];
  /** The cell of a file with a matrix, as `readPipeline` takes it; every check repeats it. */
  cell?: string;
  /** Number of golden frames. */
  frames: number;
  /** Longer side of a golden frame, pixels. */
  size: number;
  /** Largest committed splat, MB (10⁶ bytes). */
  maxSplat: number;
  /** Number of runs with other seeds, which measure the bounds of the scores. */
  marginRuns: number;
  /** On another adapter. */
  tolerance: Difference;
}

/**
 * Runs the pipeline and stores golden renders beside its file. After a failure an older recording is unchanged.
 * @throws InputError when the pipeline produces no splat, the splat is too large to commit, or the tolerance is too narrow.
 */
export async function recordGolden(file: string, options: RecordOptions) {
  const { set, cell, adapter, marginRuns, tolerance, out, store, signal, onEvent } = options;
  const { plan, env } = await readPlan(file, { set, cell });
  const text = await readFile(file);
  splatStage(plan); // throws before anything runs
  const gpu = await openDevice({ adapter });
  try {
    const chain = await runChain(gpu, plan, { out, store, signal, onEvent });
    const splat = await readFile(chain.splat.file);
    checkSize(chain.splat.file, splat.length, options.maxSplat);
    const gaussians = await loadGaussians(gpu, chain.splat.file);
    const { count, shDegree } = gaussians;
    const frames = chooseCameras(await allCameras(gpu, plan, chain), options.frames, options.size);
    const view = { cameras: frames.map(({ camera }) => camera), background: backgroundOf(plan) };
    note('the golden frames', options);
    const pictures = await renderView(gpu, gaussians, view);
    const moved = await renderMoved(gpu, gaussians, view);
    releaseGaussians(gaussians);
    const margin = worst(moved.map((picture, i) => compare(picture, pictures[i])));
    requireMargin(file, tolerance, margin);
    const seeds = Array.from({ length: marginRuns }, (_, i) => plan.seed + 1 + i);
    const others: ChainResult[] = [];
    for (const seed of seeds) {
      note(`the chain with seed ${seed}, for the bounds of its scores`, options);
      others.push(await inFolder(undefined, (out) => runChain(gpu, { ...plan, seed }, { out, signal })));
    }
    const sha256 = createHash('sha256').update(splat).digest('hex');
    const golden: Golden = {
      format: 'splatline golden 1',
      name: plan.name,
      seed: plan.seed,
      set: [...set],
      cwd: set.length ? relative(dirname(file), process.cwd()) || '.' : '.',
      ...(cell === undefined ? {} : { cell }),
      ...(Object.keys(env).length ? { env } : {}),
      versions: await versions(),
      adapter: { ...gpu.adapter },
      splat: { stage: chain.splat.stage, count, shDegree, bytes: splat.length, sha256 },
      background: [...view.background],
      frames: frames.map(({ name, camera }, i) => ({ name, sha256: pictureHash(pictures[i]), camera })),
      tolerance,
      margin: { factor: MARGIN_FACTOR, worst: margin, renders: [{ how: MOVED, ...margin }] },
      chain: {
        tensors: chain.tensors,
        frames: chain.frames,
        ...(camerasAreFixed(chain, others) ? { cameras: chain.cameras } : {}),
        scores: scoreBounds(
          chain.scores,
          others.map(({ scores }) => scores),
        ),
        seeds,
      },
    };
    const folder = await replaceGolden(file, golden, async (partial) => {
      await writeFile(join(partial, GOLDEN.splat), splat);
      await writeFile(join(partial, GOLDEN.pipeline), text);
      for (const [i, { name }] of frames.entries())
        await writeFile(join(partial, GOLDEN.frames, `${name}.png`), encodePicture(pictures[i]));
    });
    return { folder, golden };
  } finally {
    gpu.close();
  }
}

/** Refuses a splat that is too large to commit, before further work. */
function checkSize(splat: string, bytes: number, most: number): void {
  const megabytes = bytes / 1e6;
  if (megabytes <= most) return;
  throw new InputError(
    `the splat is ${megabytes.toFixed(1)} MB, and at most ${most} MB may be committed; record a smaller ` +
      `one of the same pipeline (\`--set train.cap=…\`, \`--set init.shDegree=…\`; every check repeats them) or allow it with \`--max-splat ${Math.ceil(megabytes)}\``,
    splat,
  );
}

/** The background of the pictures: that of the last orbit stage, or else of the last score stage. */
function backgroundOf({ stages }: Plan): Vec3 {
  const last = (name: string) => stages.filter(({ stage }) => stage.name === name).at(-1);
  const options = (last('orbit') ?? last('score'))?.options as { background?: Background } | undefined;
  return backgroundColor(options?.background ?? 'black');
}

/** Turntable and held-out cameras; all views of the data where there are neither. */
async function allCameras(gpu: Gpu, plan: Plan, { cameras }: ChainResult): Promise<NamedCamera[][]> {
  const named = (prefix: string, list: readonly NamedCamera[]) =>
    list.map(({ name, camera }) => ({ name: `${prefix}-${stem(name)}`, camera }));
  const turntable = named('turntable', cameras);
  const planned = plan.stages.find(({ stage }) => stage.name === 'load');
  if (!planned) return [turntable, []];
  const { dataset, gaussians } = await load(gpu, {}, planned.options as LoadOptions);
  if (gaussians) releaseGaussians(gaussians);
  const heldOut = dataset.views.filter(({ split }) => split === 'test');
  const views = heldOut.length || turntable.length ? heldOut : dataset.views;
  releaseDataset(dataset);
  return [turntable, named('view', views)];
}

/** A file stem of letters, digits, dots and dashes. */
function stem(name: string): string {
  return name
    .replace(/\.[A-Za-z0-9]+$/, '')
    .replace(/[^A-Za-z0-9.-]+/g, '-')
    .slice(-80);
}

/** SSIM's window is 11 pixels wide. */
const LEAST_SIDE = 16;

/**
 * `count` cameras at even distances, scaled down to a longer side of `size` pixels: two thirds from the turntable, the others
 * from the held-out views; more from one where the other has too few. Names are unique, as they name files.
 */
export function chooseCameras(
  [turntable, heldOut]: readonly (readonly NamedCamera[])[],
  count: number,
  size: number,
): NamedCamera[] {
  const views = Math.min(heldOut.length, Math.max(count - turntable.length, Math.floor(count / 3)));
  const chosen = [...evenly(turntable, count - views), ...evenly(heldOut, views)];
  const names = chosen.map(({ name }) => name);
  return chosen.map(({ name, camera }, i) => {
    const scale = Math.min(1, size / Math.max(camera.width, camera.height));
    const [width, height] = [camera.width, camera.height].map((side) =>
      Math.max(LEAST_SIDE, Math.round(side * scale)),
    );
    const unique = names.indexOf(name) < i ? `${name}-${i}` : name;
    return { name: unique, camera: resizeCamera(camera, width, height) };
  });
}

/** `count` items of the list at even distances, the first included; all of a shorter list. */
export function evenly<T>(list: readonly T[], count: number): T[] {
  const length = Math.min(count, list.length);
  return Array.from({ length }, (_, i) => list[Math.floor((i * list.length) / length)]);
}

/** Whether runs with other seeds have the same turntable cameras: then cameras do not depend on training. */
function camerasAreFixed({ cameras }: ChainResult, others: readonly ChainResult[]): boolean {
  const isSame = (other: ChainResult) => isDeepStrictEqual(other.cameras, cameras);
  return others.length > 0 && cameras.length > 0 && others.every(isSame);
}

/** The tolerance must be this many times the margin measured on the recording adapter. */
export const MARGIN_FACTOR = 2;

/** Refuses a tolerance below `MARGIN_FACTOR` times the margin, with the options that widen it. */
export function requireMargin(file: string, tolerance: Difference, margin: Difference): void {
  const least = {
    max: MARGIN_FACTOR * margin.max,
    mean: MARGIN_FACTOR * margin.mean,
    ssim: 1 - MARGIN_FACTOR * (1 - margin.ssim),
  };
  const narrow = (['max', 'mean', 'ssim'] as const).filter((key) =>
    key === 'ssim' ? tolerance.ssim > least.ssim : tolerance[key] < least[key],
  );
  if (!narrow.length) return;
  const fixes = narrow.map((key) => `--${key} ${Number(least[key].toPrecision(4))}`);
  throw new InputError(
    `other arithmetic on this adapter already differs by up to ${margin.max} levels, ${margin.mean} in the mean and ` +
      `SSIM ${margin.ssim}; a tolerance is at least ${MARGIN_FACTOR} times that: record with ${fixes.join(' ')}`,
    file,
  );
}

/** Seeds differ more than adapters do, but a few runs show only part of the spread. */
const SPREAD_FACTOR = 3;
/** Minimum bound of a score: in decibels, or as a fraction of the golden value for every other unit. */
const LEAST_DECIBELS = 0.5;
const LEAST_PART = 0.05;

/** Bounds of each score, from the scores of the same chain with other seeds. */
export function scoreBounds(scores: readonly Score[], others: readonly (readonly Score[])[]): GoldenScore[] {
  const round = (value: number) => Number(value.toFixed(6));
  return scores.map((golden) => {
    const same = others.flat().filter(({ name }) => name === golden.name);
    const spread = round(Math.max(0, ...same.map(({ value }) => Math.abs(value - golden.value))));
    const least = golden.unit === 'dB' ? LEAST_DECIBELS : LEAST_PART * Math.abs(golden.value);
    return { ...golden, bound: round(Math.max(least, SPREAD_FACTOR * spread)), spread };
  });
}
