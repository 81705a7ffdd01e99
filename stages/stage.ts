import type { z } from 'zod';
import type { Gpu } from '../wgsl/core/index.ts';
import type { Dataset } from './artefacts/dataset.ts';
import type { Frames } from './artefacts/frames.ts';
import type { Gaussians } from './artefacts/gaussians.ts';
import type { Scores } from './artefacts/scores.ts';
import type { Style } from './artefacts/style.ts';
import type { CheckpointStore } from './checkpoints.ts';

/** All that stages hand each other, by name. */
export interface Artefacts {
  dataset: Dataset;
  gaussians: Gaussians;
  /** The splat as it was before the first restyling. */
  base: Gaussians;
  /** What the last restyling aimed at; score's default prompt. */
  style: Style;
  frames: Frames;
  scores: Scores;
}
export type ArtefactName = keyof Artefacts;

/** A line of progress. `metrics` are printed as they are: { loss: 0.081, psnr: 24.3 }. */
export interface Progress {
  step: number;
  steps: number;
  metrics?: Record<string, number>;
  /** Steps that an earlier run had finished, of a stage that goes on from its checkpoint: rates count from here. */
  from?: number;
}

/** How a stage speaks while it works. The runner turns this into a progress line or into JSON events. */
export interface Report {
  progress(progress: Progress): void;
  /** A fact worth a line: `43 train and 7 test views, 530×947`. */
  note(text: string): void;
  /** Something that was mended or skipped, and what it means. */
  warn(text: string): void;
}

/** Where a stage leaves files for people (videos, pictures). Files appear complete or not at all. */
export interface OutputFolder {
  write(path: string, bytes: Uint8Array | string): Promise<void>;
}

export interface StageContext {
  gpu: Gpu;
  seed: number;
  report: Report;
  output: OutputFolder;
  /** Keeps the unfinished work of stages that take long; where there is none, a stage that was stopped starts anew. */
  checkpoints?: CheckpointStore;
}

/** What a stage takes from outside the run: absolute paths of files, and texts by what they are. */
export interface Reading {
  files?: readonly string[];
  texts?: Record<string, string>;
}

/**
 * A stage: typed options (zod: defaults, docs, JSON Schema), what it needs and gives, and its work. It owns every buffer
 * that it makes and does not pass on, and frees them before it returns.
 *
 * - `needs` must have been given by an earlier stage; `uses` are taken when there.
 * - `gives` is all that it can give; `givesFor`, where options decide, narrows it (ask through `stageGives`).
 * - `source`: it only reads the user's files, so a resumed run repeats it instead of keeping a copy.
 * - Options that are paths carry `.meta({ path: 'folder' | 'file' })`: relative to the pipeline file, checked to exist
 *   before anything runs.
 * - `needsPhotographs`: its dataset must have photographs; `givesPhotographs` says whether the one that a stage gives does
 *   (by default yes). The plan is refused where they do not meet.
 * - `reads` names what it reads from outside, so that a later run notices when that has changed. Without it, all files that
 *   its path options lead to count.
 * - `module` is the `import.meta.url` of the module that defines it: its work is made again when that, or anything that it
 *   imports, has changed. Without it, only changes of `run` itself and of the options are noticed.
 * - `preflight` looks at the inputs on disk before anything runs and throws InputError.
 */
export interface Stage<Options = unknown> {
  name: string;
  module?: string;
  summary: string;
  options: z.ZodType<Options>;
  needs: readonly ArtefactName[];
  uses?: readonly ArtefactName[];
  gives: readonly ArtefactName[];
  source?: boolean;
  needsPhotographs?: boolean;
  givesPhotographs?(options: Options): boolean;
  givesFor?(options: Options): readonly ArtefactName[];
  reads?(options: Options): Promise<Reading>;
  preflight?(options: Options): Promise<void>;
  run(context: StageContext, inputs: Partial<Artefacts>, options: Options): Promise<Partial<Artefacts>>;
}

/** Keeps the option type while the registry holds stages of all kinds. */
export function defineStage<Options>(stage: Stage<Options>): Stage<Options> {
  return stage;
}

/** What a stage gives with these (parsed) options. */
export function stageGives<Options>(stage: Stage<Options>, options: Options): readonly ArtefactName[] {
  return stage.givesFor?.(options) ?? stage.gives;
}

/** What a stage reads with these (parsed) options. Throws InputError where it cannot be told. */
export async function stageReads<Options>(stage: Stage<Options>, options: Options): Promise<Reading> {
  return (await stage.reads?.(options)) ?? {};
}

/** For scripts that want no progress. */
export const silent: Report = { progress() {}, note() {}, warn() {} };
