import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, parse } from 'node:path';
import { z } from 'zod';
import { type Background, backgroundColor } from '../../stages/artefacts/background.ts';
import type { Camera, Vec3 } from '../../stages/artefacts/camera.ts';
import { readJson } from '../../stages/artefacts/json.ts';
import type { Score } from '../../stages/artefacts/scores.ts';
import { type Gpu, InputError } from '../../wgsl/core/index.ts';
import type { Plan, PlannedStage } from '../file/plan.ts';
import type { RunEvent } from '../run/events.ts';
import type { Manifest } from '../run/manifest.ts';
import { MANIFEST, STAGES } from '../run/run-folder.ts';
import { runPlan } from '../run/runner.ts';
import { camera } from './format.ts';
import { pictureHash, readPicture } from './picture.ts';

export interface NamedCamera {
  name: string;
  camera: Camera;
}

/** The results of a finished run that golden renders compare. */
export interface ChainResult {
  /** The last splat: its stage, and its safetensors file in the run's folder. */
  splat: { stage: string; file: string };
  /** sha256 of every tensor of every splat, in the order of the stages. */
  tensors: { stage: string; tensor: string; sha256: string }[];
  /** sha256 of the pixels of the published turntable, by file stem. */
  frames: { name: string; sha256: string }[];
  /** The turntable's cameras. */
  cameras: NamedCamera[];
  scores: Score[];
}

export interface ChainOptions {
  /** The run's folder and store, as `runPlan` takes them. */
  out?: string;
  store?: string;
  /** The argument of `openGpu`. */
  adapter?: string;
  /** Stops the work. */
  signal?: AbortSignal;
  onEvent?(event: RunEvent): void;
  /** Progress, in a few words. */
  say?(text: string): void;
}

/** Runs the pipeline on the given device and reads its results. */
export async function runChain(
  gpu: Gpu,
  plan: Plan,
  { out: folder, store, signal, onEvent }: ChainOptions,
): Promise<ChainResult> {
  const { out } = await runPlan(plan, { out: folder, store, signal, onEvent, gpu });
  const run = (await readJson(join(out, MANIFEST))) as Manifest;
  const made = run.stages.filter(({ parts }) => parts.gaussians);
  const stage = splatStage(plan).id;
  return {
    splat: { stage, file: join(out, STAGES, stage, 'gaussians', 'gaussians.safetensors') },
    tensors: made.flatMap(({ id, parts }) =>
      Object.entries(parts.gaussians!).map(([tensor, sha256]) => ({ stage: id, tensor, sha256 })),
    ),
    frames: await hashFrames(run, out),
    cameras: await readCameras(plan, out),
    scores: [...(run.scores ?? [])],
  };
}

/** Calls `body` with a path in a temporary folder, deleted afterwards: a run there has its own, empty store. */
export async function inScratch<T>(body: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'splatline-golden-'));
  try {
    return await body(join(folder, 'run'));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The stage that makes the final splat. @throws InputError for a pipeline that makes none. */
export function splatStage(plan: Plan): PlannedStage {
  const stage = plan.stages.filter(makesSplat).at(-1);
  if (stage) return stage;
  const ids = plan.stages.map(({ id }) => id).join(', ');
  throw new InputError(
    `golden renders need a pipeline that makes a splat, and none of ${ids} does; add init and train, or stylize`,
    plan.stages[0]?.place,
  );
}

/** The background of the pictures: that of the last orbit stage, or else of the last score stage. */
export function backgroundOf({ stages }: Plan): Vec3 {
  const last = (name: string) => stages.filter(({ stage }) => stage.name === name).at(-1);
  const options = (last('orbit') ?? last('score'))?.options as { background?: Background } | undefined;
  return backgroundColor(options?.background ?? 'black');
}

/** A source stage reads the user's splat, which no run stores. */
function makesSplat({ stage }: PlannedStage): boolean {
  return stage.gives.includes('gaussians') && !stage.source;
}

async function hashFrames({ files }: Manifest, out: string): Promise<ChainResult['frames']> {
  const paths = files.map(({ path }) => path).filter((path) => /^frames\/[^/]+\.png$/.test(path));
  const frames: ChainResult['frames'] = [];
  for (const path of paths.sort())
    frames.push({ name: parse(path).name, sha256: pictureHash(await readPicture(join(out, path))) });
  return frames;
}

const savedCameras = z.object({ frames: z.array(z.object({ name: z.string(), camera })) });

/** The cameras of the last stage that gives frames. */
async function readCameras(plan: Plan, out: string): Promise<NamedCamera[]> {
  const orbit = plan.stages.filter(({ stage }) => stage.gives.includes('frames')).at(-1);
  if (!orbit) return [];
  return savedCameras.parse(await readJson(join(out, 'stages', orbit.id, 'frames', 'frames.json'))).frames;
}
