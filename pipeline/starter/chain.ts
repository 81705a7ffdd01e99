import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { basename, extname, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { DEMO } from '../../stages/clip/resolve.ts';
import { stages as registry } from '../../stages/index.ts';
import { readerOf, unrecognised } from '../../stages/load/readers/index.ts';
import type { Contents, Reader } from '../../stages/load/readers/reader.ts';
import { loadOptions } from '../../stages/load/stage.ts';
import { InputError } from '../../wgsl/core/index.ts';
import { choices } from '../file/describe.ts';
import { schemaAt } from '../file/schema.ts';
import { literalText } from '../file/substitute.ts';
import type { PipelineValues, StageValues } from './pipeline-text.ts';
import { nameFrom } from './run-name.ts';

const DEMO_FILE = fileURLToPath(new URL('../../scenes/demo.yaml', import.meta.url));
const DEMO_CAPTURE = fileURLToPath(new URL('../../scenes/playbot', import.meta.url));
/** The name of the included scene in place of a path. */
export const INCLUDED = 'demo';
/** The name of its runs. */
const INCLUDED_NAME = 'robot';
/** Usual names of files and folders: a run gets the name of the folder around them instead. */
const USUAL_NAME = /^(splat|base|point_cloud|iteration_\d+|meta|transforms)$/;
/** Larger pictures are reduced to it, as in 3DGS; pixels. */
const LONGER_SIDE = 1600;

/** The goals of a run, and their stages after load (and, for a capture, init). A splat is not trained. */
export const GOALS = {
  train: { title: 'train a splat', photographs: true, stages: ['train', 'orbit', 'score'] },
  restyle: {
    title: 'restyle it with a prompt',
    photographs: false,
    stages: ['train', 'stylize', 'orbit', 'score'],
  },
  turntable: { title: 'a turntable video', photographs: false, stages: ['train', 'orbit'] },
  convert: {
    title: 'a splat for viewers and engines (.sog, .html)',
    photographs: false,
    stages: ['train', 'export'],
  },
} as const;
export type Goal = keyof typeof GOALS;
export const GOAL_NAMES = Object.keys(GOALS) as [Goal, ...Goal[]];

/** The input of a run, and its contents. */
export interface FoundInput extends Contents {
  /** Absolute. */
  path: string;
  reader: Reader;
  /** Whether it is the scene of the package. */
  isIncluded: boolean;
}

/**
 * Inspects an input without decoding a picture. `INCLUDED` names the scene of the package, unless such a path exists.
 * @throws InputError for a path that load cannot read.
 */
export async function inspectInput(given: string): Promise<FoundInput> {
  const isIncluded = given === INCLUDED && !existsSync(given);
  const path = isIncluded ? DEMO_CAPTURE : resolve(given);
  if (!(await stat(path).catch(() => undefined))) throw new InputError('no such file or folder', given);
  const reader = readerOf(path);
  if (!reader) throw unrecognised(given);
  const options = loadOptions.parse({ path });
  await reader.check(path, options);
  return { path, reader, isIncluded, ...(await reader.inspect(path, options)) };
}

/** `a COLMAP capture, 49 pictures of 256×256, PINHOLE, 5000 points`. */
export function describeInput({ reader, facts, isIncluded }: FoundInput): string {
  return [isIncluded ? 'the scene of the package' : reader.title, ...facts].join(', ');
}

/** The goal of a run and its settings. */
export interface RunRequest {
  goal: Goal;
  /** For `restyle`: a text, or a name in the library. */
  prompt?: string;
  /** A name of the Hub, a folder, or the small model of the package, the default. */
  model?: string;
  /** Of the restyling, otherwise of the training. */
  steps?: number;
  /** The name of the run. Default: that of the input, and of a restyling also its prompt. */
  name?: string;
}

/** A pipeline for an input. Paths are absolute. @throws InputError where the input does not permit it. */
export async function chainFor(found: FoundInput, request: RunRequest): Promise<PipelineValues> {
  const { goal, prompt, model = DEMO, steps } = request;
  const { photographs } = found.reader;
  if (GOALS[goal].photographs && !photographs) {
    const others = GOAL_NAMES.filter((name) => !GOALS[name].photographs);
    throw new InputError(
      `is a splat, and ${goal} needs a capture; of a splat, expected ${choices(others)}`,
      found.path,
    );
  }
  if (goal === 'restyle' && !prompt?.trim())
    throw new InputError('expected a prompt: a text, or a name in prompts/library.yaml', goal);
  const own = GOALS[goal].stages.filter((name) => photographs || name !== 'train');
  const names = ['load', ...(photographs ? ['init'] : []), ...own];
  const stepping = goal === 'restyle' ? 'stylize' : 'train';
  const given: Record<string, StageValues> = {
    load: { [found.reader.key]: literalText(found.path), ...reduction(found) },
    stylize: { prompt: literalText(prompt?.trim() ?? ''), model: literalText(modelValue(model)) },
    score: {
      metrics: [
        ...(photographs ? ['psnr', 'ssim'] : []),
        ...(goal === 'restyle' ? ['clip', 'consistency'] : []),
      ],
    },
    export: { formats: ['sog', 'html'] },
  };
  if (steps !== undefined) given[stepping] = { ...given[stepping], steps };
  const usual = found.isIncluded ? await demoOptions() : {};
  return {
    name: request.name ?? runName(found, request),
    seed: 42,
    stages: names.map((name) => [name, { ...shownDefaults(name, found), ...usual[name], ...given[name] }]),
  };
}

/** The options that a written file shows with their defaults, because people change them first. */
function shownDefaults(name: string, { reader }: FoundInput): StageValues {
  const ofLoad = !reader.photographs
    ? ['views', 'size']
    : [...(reader.key === 'video' ? ['frames'] : []), 'downscale', 'holdout'];
  const shown: Record<string, string[]> = {
    load: ofLoad,
    train: ['steps', 'strategy', 'background'],
    stylize: ['steps', 'train', 'background'],
    orbit: ['frames', 'fps', 'size'],
  };
  const { options } = registry.find((stage) => stage.name === name)!;
  const rows = (shown[name] ?? []).map((key) => [key, schemaAt(options, [key])?.default]);
  return Object.fromEntries(rows.filter(([, value]) => value !== undefined));
}

/** The factor for pictures that are larger than `LONGER_SIDE`. */
function reduction({ longerSide = 0 }: FoundInput): StageValues {
  return longerSide > LONGER_SIDE ? { downscale: Math.ceil((10 * longerSide) / LONGER_SIDE) / 10 } : {};
}

/** The options of the demo's stages: its training is short, so its rates are higher. */
async function demoOptions(): Promise<Record<string, StageValues>> {
  const { stages } = parse(await readFile(DEMO_FILE, 'utf8')) as { stages: Record<string, StageValues>[] };
  return Object.assign({}, ...stages);
}

/**
 * `fox` of a capture, `fox-splat` of a splat, and for a restyling `fox-gold` and `fox-splat-gold`. A restyled capture and its restyled
 * splat have different folders.
 */
function runName({ path, reader, isIncluded }: FoundInput, { goal, prompt = '' }: RunRequest): string {
  const stem = basename(path, extname(path));
  const folders = path.split(sep).slice(0, -1);
  const own = isIncluded ? INCLUDED_NAME : [...folders, stem].findLast((name) => !USUAL_NAME.test(name));
  const kind = reader.photographs ? '' : stem === 'base' ? 'base' : 'splat';
  return nameFrom([own ?? '', kind, goal === 'restyle' ? prompt : '']) || goal;
}

/** A folder as an absolute path; a name stays. */
function modelValue(model: string): string {
  return model !== DEMO && existsSync(model) ? resolve(model) : model;
}
