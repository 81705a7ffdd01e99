import { createHash } from 'node:crypto';
import { copyFile, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { releaseDataset } from '../../stages/artefacts/dataset.ts';
import { releaseGaussians } from '../../stages/artefacts/gaussians.ts';
import { loadGaussians } from '../../stages/artefacts/gaussians-file.ts';
import { stages } from '../../stages/index.ts';
import { type LoadOptions, load } from '../../stages/load/stage.ts';
import { type Gpu, InputError, openGpu } from '../../wgsl/core/index.ts';
import type { Plan } from '../file/plan.ts';
import { readPipeline } from '../file/read.ts';
import type { RunEvent } from '../run/events.ts';
import {
  CAMERA_TOLERANCE,
  cameraDistance,
  DEFAULT_TOLERANCE,
  MARGIN_FACTOR,
  scoreBounds,
  tooNarrow,
} from './bounds.ts';
import { backgroundOf, type ChainResult, runChain, splatStage } from './chain.ts';
import { chooseCameras, type NamedCamera, stem } from './choose.ts';
import { type Difference, worst } from './compare.ts';
import { GOLDEN, replaceGolden } from './folder.ts';
import type { Golden, GoldenCamera } from './format.ts';
import { measureMargin } from './margin.ts';
import { decodePicture, pictureHash } from './picture.ts';
import { renderPngs } from './render.ts';
import { inScratch } from './scratch.ts';
import { versions } from './versions.ts';

export interface RecordOptions {
  /** `STAGE.OPTION=VALUE`; kept, and repeated by every check. */
  set?: readonly string[];
  /** Of a file with a matrix: the cell to record, as `readPipeline` takes it; every check repeats it. */
  cell?: string;
  /** The run's folder and store, as `runPlan` takes them: a run that was made already is taken as it is. */
  out?: string;
  store?: string;
  /** As `openGpu` takes it. */
  adapter?: string;
  /** Aborted to stop. */
  signal?: AbortSignal;
  /** How many golden frames. Default 6. */
  frames?: number;
  /** Longer side of a golden frame, pixels. Default 192. */
  size?: number;
  /** Most MB (10⁶ bytes) that the committed splat may take. Default 8. */
  maxSplat?: number;
  /** How often the chain runs again with another seed, to measure the bounds of the scores. Default 2. */
  marginRuns?: number;
  tolerance?: Partial<Difference>;
  onEvent?(event: RunEvent): void;
  /** What is being done, in a few words. */
  say?(text: string): void;
}

export interface Recorded {
  folder: string;
  golden: Golden;
  /** Bytes of the whole folder. */
  bytes: number;
}

/**
 * Runs the pipeline and stores golden renders beside its file. An older recording stays as it is unless all succeeds.
 * @throws InputError when the pipeline makes no splat, the splat is too large to commit, or the tolerance too narrow.
 */
export async function recordGolden(file: string, options: RecordOptions = {}): Promise<Recorded> {
  const { set = [], cell, frames = 6, size = 192, marginRuns = 2, out, store, signal, onEvent } = options;
  const say = (what: string) => {
    signal?.throwIfAborted();
    options.say?.(what);
  };
  const plan = await readPipeline(file, { set, cell, registry: stages });
  const { id: stage } = splatStage(plan);
  const gpu = await openGpu({ adapter: options.adapter });
  try {
    const chain = await runChain(gpu, plan, { out, store, signal, onEvent });
    await checkSize(chain.splat.file, options.maxSplat ?? 8);
    const chosen = chooseCameras(await allCameras(gpu, plan, chain), { count: frames, size });
    const others: ChainResult[] = [];
    const seeds = Array.from({ length: marginRuns }, (_, i) => plan.seed + 1 + i);
    for (const seed of seeds) {
      say(`the chain with seed ${seed}, for the bounds of its scores`);
      others.push(await inScratch((out) => runChain(gpu, { ...plan, seed }, { out, signal })));
    }
    const { folder, golden } = await replaceGolden(file, async (aside): Promise<Golden> => {
      const splat = join(aside, GOLDEN.splat);
      await copyFile(chain.splat.file, splat);
      const pictures = await renderFrames(gpu, splat, chosen, plan, aside);
      say('the golden frames with other arithmetic, for the margin');
      const renders = await measureMargin({
        gpu,
        adapter: options.adapter,
        splat,
        cameras: chosen.map(({ camera }) => camera),
        background: backgroundOf(plan),
        pictures,
      });
      const margin = worst(renders);
      const tolerance = { ...DEFAULT_TOLERANCE, ...options.tolerance };
      const narrow = tooNarrow(tolerance, margin);
      if (narrow.length) {
        throw new InputError(
          `other arithmetic on this adapter already differs by up to ${margin.max} levels, ${margin.mean} in the mean and ` +
            `SSIM ${margin.ssim}; a tolerance is at least ${MARGIN_FACTOR} times that: record with ${narrow.join(' ')}`,
          file,
        );
      }
      const { count, shDegree } = await countOf(gpu, splat);
      const bytes = await readFile(splat);
      return {
        format: 'splatline golden 1',
        name: plan.name,
        seed: plan.seed,
        set: [...set],
        ...(cell === undefined ? {} : { cell }),
        cwd: set.length ? relative(dirname(file), process.cwd()) || '.' : '.',
        versions: await versions(),
        adapter: { ...gpu.adapter },
        splat: {
          stage,
          count,
          shDegree,
          bytes: bytes.length,
          sha256: createHash('sha256').update(bytes).digest('hex'),
        },
        background: [...backgroundOf(plan)],
        frames: chosen.map(({ name, camera }, i) => ({
          name,
          sha256: pictureHash(pictures[i]),
          camera: camera as GoldenCamera,
        })),
        tolerance,
        margin: { factor: MARGIN_FACTOR, worst: margin, renders },
        chain: {
          tensors: chain.tensors,
          frames: chain.frames,
          ...fixedCameras(chain, others),
          scores: scoreBounds(
            chain.scores,
            others.map(({ scores }) => scores),
          ),
          seeds,
        },
      };
    });
    return { folder, golden, bytes: await sizeOf(folder, golden) };
  } finally {
    gpu.close();
  }
}

/** Renders the chosen cameras into `frames/` and gives the pictures. */
async function renderFrames(
  gpu: Gpu,
  splat: string,
  chosen: readonly NamedCamera[],
  plan: Plan,
  folder: string,
) {
  const gaussians = await loadGaussians(gpu, splat);
  try {
    const cameras = chosen.map(({ camera }) => camera);
    const pngs = await renderPngs(gpu, gaussians, cameras, backgroundOf(plan));
    for (const [i, png] of pngs.entries())
      await writeFile(join(folder, GOLDEN.frames, `${chosen[i].name}.png`), png);
    return pngs.map(decodePicture);
  } finally {
    releaseGaussians(gaussians);
  }
}

/** Turntable and held-out cameras; where there are neither, all views of the data. */
async function allCameras(gpu: Gpu, plan: Plan, chain: ChainResult) {
  const turntable = chain.cameras.map(({ name, camera }) => ({ name: `turntable-${stem(name)}`, camera }));
  const planned = plan.stages.find(({ stage }) => stage.name === 'load');
  if (!planned) return { turntable, heldOut: [] };
  const { dataset, gaussians } = await load(gpu, {}, planned.options as LoadOptions);
  if (gaussians) releaseGaussians(gaussians);
  const heldOut = dataset.views.filter(({ split }) => split === 'test');
  const views = heldOut.length || turntable.length ? heldOut : dataset.views;
  releaseDataset(dataset);
  return { turntable, heldOut: views.map(({ name, camera }) => ({ name: `view-${stem(name)}`, camera })) };
}

/** The turntable's cameras, if the runs with other seeds show that they do not depend on what was trained. */
function fixedCameras(
  chain: ChainResult,
  others: readonly ChainResult[],
): { cameras?: Golden['chain']['cameras'] } {
  const isFixed = others.every(
    ({ cameras }) =>
      cameras.length === chain.cameras.length &&
      cameras.every(({ camera }, i) => cameraDistance(camera, chain.cameras[i].camera) <= CAMERA_TOLERANCE),
  );
  if (!others.length || !chain.cameras.length || !isFixed) return {};
  return { cameras: chain.cameras.map(({ name, camera }) => ({ name, camera: camera as GoldenCamera })) };
}

/** Refuses a splat that is too large to commit before anything more is computed. */
async function checkSize(splat: string, most: number): Promise<void> {
  const megabytes = (await stat(splat)).size / 1e6;
  if (megabytes <= most) return;
  throw new InputError(
    `the splat is ${megabytes.toFixed(1)} MB, and golden renders are committed with at most ${most} MB of it; record a smaller ` +
      `one of the same pipeline (\`--set train.cap=…\`, \`--set init.shDegree=…\`; every check repeats them) or allow it with \`--max-splat ${Math.ceil(megabytes)}\``,
    splat,
  );
}

async function countOf(gpu: Gpu, splat: string): Promise<{ count: number; shDegree: number }> {
  const gaussians = await loadGaussians(gpu, splat);
  releaseGaussians(gaussians);
  return { count: gaussians.count, shDegree: gaussians.shDegree };
}

async function sizeOf(folder: string, golden: Golden): Promise<number> {
  const files = [
    GOLDEN.json,
    GOLDEN.splat,
    ...golden.frames.map(({ name }) => join(GOLDEN.frames, `${name}.png`)),
  ];
  const sizes = await Promise.all(files.map(async (file) => (await stat(join(folder, file))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}
