import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, parse } from 'node:path';
import { loadFrameCameras } from '../../stages/artefacts/frames.ts';
import type { Score } from '../../stages/artefacts/scores.ts';
import { stages } from '../../stages/index.ts';
import { type Gpu, InputError } from '../../wgsl/core/index.ts';
import type { Plan, PlannedStage } from '../file/plan.ts';
import { readPipeline } from '../file/read.ts';
import { readManifest } from '../run/manifest.ts';
import { STAGES } from '../run/run-folder.ts';
import { type RunOptions, runPlan } from '../run/runner.ts';
import { pictureHash, readPicture } from './picture.ts';
import type { Golden, NamedCamera } from './recording.ts';

/** The results of a finished run that golden renders compare. */
export interface ChainResult {
  /** The last splat: its stage, and its safetensors file in the run's folder. */
  splat: { stage: string; file: string };
  /** sha256 of every tensor of every splat, in the order of the stages. */
  tensors: Golden['chain']['tensors'];
  /** sha256 of the pixels of the published turntable, by file stem. */
  frames: Golden['chain']['frames'];
  /** The turntable's cameras: those of the last stage that produces frames. */
  cameras: NamedCamera[];
  scores: readonly Score[];
}

/** Options of `recordGolden` and `checkGolden`, as `runPlan` takes them. */
export type GoldenOptions = Pick<RunOptions, 'out' | 'adapter' | 'signal' | 'onEvent'>;

/** Reports notes that are not events of the run. */
export function note(text: string, { onEvent }: GoldenOptions): void {
  onEvent?.({ event: 'note', stage: 'golden', text });
}

/** The plan of a pipeline file, and the values that the file takes from the environment. */
export async function readPlan(
  file: string,
  options: { set: readonly string[]; cell?: string; cwd?: string; text?: string },
): Promise<{ plan: Plan; env: Record<string, string> }> {
  const used: Record<string, string> = {};
  const env = new Proxy(process.env, {
    get: (values, name: string) => (used[name] = values[name]!),
  });
  return { plan: await readPipeline(file, { ...options, env, registry: stages }), env: used };
}

/** Runs the pipeline on the given device and reads its results. */
export async function runChain(gpu: Gpu, plan: Plan, options: Omit<RunOptions, 'gpu'>): Promise<ChainResult> {
  const { out } = await runPlan(plan, { ...options, gpu });
  const { manifest } = await readManifest(out);
  const stage = splatStage(plan).id;
  const frames: ChainResult['frames'] = [];
  for (const path of manifest.files.map(({ path }) => path).sort())
    if (/^frames\/[^/]+\.png$/.test(path))
      frames.push({ name: parse(path).name, sha256: pictureHash(await readPicture(join(out, path))) });
  const orbit = plan.stages.filter(({ stage }) => stage.gives.includes('frames')).at(-1);
  return {
    splat: { stage, file: join(out, STAGES, stage, 'gaussians', 'gaussians.safetensors') },
    tensors: manifest.stages.flatMap(({ id, parts }) =>
      Object.entries(parts.gaussians ?? {}).map(([tensor, sha256]) => ({ stage: id, tensor, sha256 })),
    ),
    frames,
    cameras: orbit ? await loadFrameCameras(join(out, STAGES, orbit.id, 'frames')) : [],
    scores: manifest.scores ?? [],
  };
}

/**
 * Calls `body` with the folder, or else with one in a temporary folder, deleted afterwards: a run there has its own, empty store.
 */
export async function inFolder<T>(
  folder: string | undefined,
  body: (folder: string) => Promise<T>,
): Promise<T> {
  if (folder !== undefined) return body(folder);
  const scratch = await mkdtemp(join(tmpdir(), 'splatline-golden-'));
  try {
    return await body(join(scratch, 'run'));
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** The stage that produces the final splat. @throws InputError for a pipeline without one. */
export function splatStage(plan: Plan): PlannedStage {
  // A source stage reads the user's splat, which no run stores.
  const stage = plan.stages.filter(({ stage }) => stage.gives.includes('gaussians') && !stage.source).at(-1);
  if (stage) return stage;
  const ids = plan.stages.map(({ id }) => id).join(', ');
  throw new InputError(
    `golden renders need a pipeline that produces a splat, and none of ${ids} does; add init and train, or stylize`,
    plan.stages[0]?.place,
  );
}
