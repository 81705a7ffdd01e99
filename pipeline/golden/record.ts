import { createHash } from 'node:crypto';
import { copyFile, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { resizeCamera } from '../../stages/artefacts/camera.ts';
import { releaseDataset } from '../../stages/artefacts/dataset.ts';
import { releaseGaussians } from '../../stages/artefacts/gaussians.ts';
import { loadGaussians } from '../../stages/artefacts/gaussians-file.ts';
import { stages } from '../../stages/index.ts';
import { type LoadOptions, load } from '../../stages/load/stage.ts';
import { type Gpu, InputError } from '../../wgsl/core/index.ts';
import type { Plan } from '../file/plan.ts';
import { readPipeline } from '../file/read.ts';
import { openDevice } from '../open-device.ts';
import {
  backgroundOf,
  type ChainOptions,
  type ChainResult,
  inScratch,
  type NamedCamera,
  runChain,
  splatStage,
} from './chain.ts';
import { DEFAULT_TOLERANCE, GOLDEN, type Golden, replaceGolden, versions } from './format.ts';
import { CAMERA_TOLERANCE, cameraDistance, MARGIN_FACTOR, scoreBounds, tooNarrow } from './judge.ts';
import { type Difference, encodePicture, pictureHash, worst } from './picture.ts';
import { measureMargin, renderView } from './render.ts';

export interface RecordOptions extends ChainOptions {
  /** `STAGE.OPTION=VALUE`; recorded, and repeated by every check. */
  set?: readonly string[];
  /** The cell of a file with a matrix, as `readPipeline` takes it; every check repeats it. */
  cell?: string;
  /** Number of golden frames. Default 6. */
  frames?: number;
  /** Longer side of a golden frame, pixels. Default 192. */
  size?: number;
  /** Largest committed splat, MB (10⁶ bytes). Default 8. */
  maxSplat?: number;
  /** Number of runs with other seeds, which measure the bounds of the scores. Default 2. */
  marginRuns?: number;
  tolerance?: Partial<Difference>;
}

/**
 * Runs the pipeline and stores golden renders beside its file. After a failure an older recording is unchanged.
 * @throws InputError when the pipeline makes no splat, the splat is too large to commit, or the tolerance is too narrow.
 */
export async function recordGolden(
  file: string,
  options: RecordOptions = {},
): Promise<{ folder: string; golden: Golden }> {
  const { set = [], cell, adapter, marginRuns = 2, out, store, signal, onEvent } = options;
  const plan = await readPipeline(file, { set, cell, registry: stages });
  const text = await readFile(file);
  const { id: stage } = splatStage(plan);
  const background = backgroundOf(plan);
  const gpu = await openDevice({ adapter });
  try {
    const chain = await runChain(gpu, plan, { out, store, signal, onEvent });
    await checkSize(chain.splat.file, options.maxSplat ?? 8);
    const chosen = chooseCameras(
      await allCameras(gpu, plan, chain),
      options.frames ?? 6,
      options.size ?? 192,
    );
    const seeds = Array.from({ length: marginRuns }, (_, i) => plan.seed + 1 + i);
    const others: ChainResult[] = [];
    for (const seed of seeds) {
      options.say?.(`the chain with seed ${seed}, for the bounds of its scores`);
      others.push(await inScratch((out) => runChain(gpu, { ...plan, seed }, { out, signal })));
    }
    return await replaceGolden(file, async (partial): Promise<Golden> => {
      const splat = join(partial, GOLDEN.splat);
      await copyFile(chain.splat.file, splat);
      await writeFile(join(partial, GOLDEN.pipeline), text);
      const view = { splat, cameras: chosen.map(({ camera }) => camera), background };
      const pictures = await renderView(gpu, view);
      for (const [i, { name }] of chosen.entries())
        await writeFile(join(partial, GOLDEN.frames, `${name}.png`), encodePicture(pictures[i]));
      options.say?.('the golden frames with other arithmetic, for the margin');
      const renders = await measureMargin(gpu, adapter, view, pictures);
      const margin = worst(renders);
      const tolerance = { ...DEFAULT_TOLERANCE, ...options.tolerance };
      requireMargin(file, tolerance, margin);
      const bytes = await readFile(splat);
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      return {
        format: 'splatline golden 1',
        name: plan.name,
        seed: plan.seed,
        set: [...set],
        ...(cell === undefined ? {} : { cell }),
        cwd: set.length ? relative(dirname(file), process.cwd()) || '.' : '.',
        versions: await versions(),
        adapter: { ...gpu.adapter },
        splat: { stage, ...(await countOf(gpu, splat)), bytes: bytes.length, sha256 },
        background: [...background],
        frames: chosen.map(({ name, camera }, i) => ({ name, sha256: pictureHash(pictures[i]), camera })),
        tolerance,
        margin: { factor: MARGIN_FACTOR, worst: margin, renders },
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
    });
  } finally {
    gpu.close();
  }
}

/** Turntable and held-out cameras; all views of the data where there are neither. */
async function allCameras(gpu: Gpu, plan: Plan, chain: ChainResult): Promise<NamedCamera[][]> {
  const turntable = chain.cameras.map(({ name, camera }) => ({ name: `turntable-${stem(name)}`, camera }));
  const planned = plan.stages.find(({ stage }) => stage.name === 'load');
  if (!planned) return [turntable, []];
  const { dataset, gaussians } = await load(gpu, {}, planned.options as LoadOptions);
  if (gaussians) releaseGaussians(gaussians);
  const heldOut = dataset.views.filter(({ split }) => split === 'test');
  const views = heldOut.length || turntable.length ? heldOut : dataset.views;
  releaseDataset(dataset);
  return [turntable, views.map(({ name, camera }) => ({ name: `view-${stem(name)}`, camera }))];
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
  const isSame = (other: ChainResult) =>
    other.cameras.length === cameras.length &&
    other.cameras.every(({ camera }, i) => cameraDistance(camera, cameras[i].camera) <= CAMERA_TOLERANCE);
  return others.length > 0 && cameras.length > 0 && others.every(isSame);
}

/** Refuses a splat that is too large to commit, before anything more is computed. */
async function checkSize(splat: string, most: number): Promise<void> {
  const megabytes = (await stat(splat)).size / 1e6;
  if (megabytes <= most) return;
  throw new InputError(
    `the splat is ${megabytes.toFixed(1)} MB, and golden renders are committed with at most ${most} MB of it; record a smaller ` +
      `one of the same pipeline (\`--set train.cap=…\`, \`--set init.shDegree=…\`; every check repeats them) or allow it with \`--max-splat ${Math.ceil(megabytes)}\``,
    splat,
  );
}

/** Refuses a tolerance below `MARGIN_FACTOR` times the margin. */
function requireMargin(file: string, tolerance: Difference, margin: Difference): void {
  const narrow = tooNarrow(tolerance, margin);
  if (!narrow.length) return;
  throw new InputError(
    `other arithmetic on this adapter already differs by up to ${margin.max} levels, ${margin.mean} in the mean and ` +
      `SSIM ${margin.ssim}; a tolerance is at least ${MARGIN_FACTOR} times that: record with ${narrow.join(' ')}`,
    file,
  );
}

async function countOf(gpu: Gpu, splat: string): Promise<{ count: number; shDegree: number }> {
  const gaussians = await loadGaussians(gpu, splat);
  releaseGaussians(gaussians);
  return { count: gaussians.count, shDegree: gaussians.shDegree };
}
