import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join, parse } from 'node:path';
import { z } from 'zod';
import { backgroundColor } from '../../stages/artefacts/background.ts';
import type { Camera, Vec3 } from '../../stages/artefacts/camera.ts';
import { gaussiansParts } from '../../stages/artefacts/gaussians-file.ts';
import { readJson } from '../../stages/artefacts/json.ts';
import type { Score } from '../../stages/artefacts/scores.ts';
import { loadScores } from '../../stages/artefacts/scores.ts';
import { type Gpu, InputError } from '../../wgsl/core/index.ts';
import type { Plan, PlannedStage } from '../file/plan.ts';
import type { RunEvent } from '../run/events.ts';
import { runPlan } from '../run/runner.ts';
import { pictureHash, readPicture } from './picture.ts';

/** What a finished run of the pipeline left, as far as golden renders speak of it. */
export interface ChainResult {
  out: string;
  /** The last splat that was made: the stage, and the safetensors file in the run's folder. */
  splat: { stage: string; file: string };
  /** sha256 of every tensor of every splat, in the order of the stages. */
  tensors: { stage: string; tensor: string; sha256: string }[];
  /** sha256 of the pixels of the published turntable, by file stem. */
  frames: { name: string; sha256: string }[];
  cameras: { name: string; camera: Camera }[];
  scores: Score[];
}

/** Runs the pipeline on the given device and reads what it left. */
export async function runChain(
  gpu: Gpu,
  plan: Plan,
  options: { out?: string; store?: string; signal?: AbortSignal; onEvent?: (event: RunEvent) => void },
): Promise<ChainResult> {
  const result = await runPlan(plan, { ...options, gpu });
  return readChain(gpu, plan, result.out);
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

/** The background of the pictures: the turntable's, or else the scores'. */
export function backgroundOf(plan: Plan): Vec3 {
  for (const name of ['orbit', 'score']) {
    const planned = plan.stages.filter(({ stage }) => stage.name === name).at(-1);
    const parsed = withBackground.safeParse(planned?.options);
    if (parsed.success) return backgroundColor(parsed.data.background);
  }
  return backgroundColor('black');
}

const channel = z.number();
const withBackground = z.object({
  background: z.union([z.enum(['black', 'white']), z.tuple([channel, channel, channel])]),
});

async function readChain(gpu: Gpu, plan: Plan, out: string): Promise<ChainResult> {
  const tensors: ChainResult['tensors'] = [];
  for (const { id } of plan.stages.filter(makesSplat)) {
    const folder = join(out, 'stages', id, 'gaussians');
    for (const { name, file, start, end } of await gaussiansParts(join(folder, SPLAT)))
      tensors.push({ stage: id, tensor: name, sha256: await hashOf(join(folder, file), start, end) });
  }
  const last = splatStage(plan).id;
  const hasScores = await isThere(join(out, 'scores.json'));
  return {
    out,
    splat: { stage: last, file: join(out, 'stages', last, 'gaussians', SPLAT) },
    tensors,
    frames: await readFrames(join(out, 'frames')),
    cameras: await readCameras(plan, out),
    scores: hasScores ? (await loadScores(gpu, out)).scores : [],
  };
}

const SPLAT = 'gaussians.safetensors';

/** A source only reads the user's own splat, which no run keeps. */
function makesSplat({ stage }: PlannedStage): boolean {
  return stage.gives.includes('gaussians') && !stage.source;
}

/** sha256 (hex) of the file's bytes from `start` up to `end`. */
async function hashOf(path: string, start: number, end: number): Promise<string> {
  const hash = createHash('sha256');
  if (end > start)
    for await (const chunk of createReadStream(path, { start, end: end - 1 })) hash.update(chunk);
  return hash.digest('hex');
}

async function readFrames(folder: string): Promise<ChainResult['frames']> {
  if (!(await isThere(folder))) return [];
  const names = (await readdir(folder)).filter((name) => name.endsWith('.png')).sort();
  const frames: ChainResult['frames'] = [];
  for (const name of names)
    frames.push({ name: parse(name).name, sha256: pictureHash(await readPicture(join(folder, name))) });
  return frames;
}

const savedCameras = z.object({
  frames: z.array(
    z.object({
      name: z.string(),
      camera: z.object({
        width: channel,
        height: channel,
        fx: channel,
        fy: channel,
        cx: channel,
        cy: channel,
        viewmat: z.array(channel).length(16),
      }),
    }),
  ),
});

/** The turntable's cameras, as the last stage that gave frames saved them. */
async function readCameras(plan: Plan, out: string): Promise<ChainResult['cameras']> {
  const orbit = plan.stages.filter(({ stage }) => stage.gives.includes('frames')).at(-1);
  if (!orbit) return [];
  return savedCameras.parse(await readJson(join(out, 'stages', orbit.id, 'frames', 'frames.json'))).frames;
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
