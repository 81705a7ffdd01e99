import type * as z from 'zod';
import type { Gpu } from '../wgsl/core/index.ts';
import type { Dataset } from './artefacts/dataset.ts';
import type { Exposures } from './artefacts/exposures.ts';
import type { Frames } from './artefacts/frames.ts';
import type { Gaussians } from './artefacts/gaussians.ts';
import type { Poses } from './artefacts/poses.ts';
import type { Reconstruction } from './artefacts/reconstruction.ts';
import type { Scores } from './artefacts/scores.ts';
import type { Style } from './artefacts/style.ts';
import type { CheckpointStore } from './checkpoints.ts';

/** Everything that stages pass to each other, by name. */
export interface Artefacts {
  /** Cameras that sfm found for the pictures that load reads. */
  reconstruction: Reconstruction;
  dataset: Dataset;
  gaussians: Gaussians;
  /** The splat before the first restyling. */
  base: Gaussians;
  /** The target of the last restyling; score's default prompt. */
  style: Style;
  /** Of the photographs, as train learnt them. */
  exposures: Exposures;
  /** Of the training views, as train refined them. */
  poses: Poses;
  frames: Frames;
  scores: Scores;
}
export type ArtefactName = keyof Artefacts;

/** A line of progress. `metrics` are printed as they are: { loss: 0.081, psnr: 24.3 }. */
export interface Progress {
  step: number;
  steps: number;
  metrics?: Record<string, number>;
  /** The metrics are exactly those of this step, in every run: a line of the stage's `metrics.jsonl`. */
  logged?: boolean;
  /** Steps that were finished before this process resumed the stage; rates count from here. */
  from?: number;
  /** The adapter compiles kernels until the next report. Rates count from there. */
  compiling?: boolean;
}

/** A stage that another one requires, by name, and the options that it requires. */
export interface StageBefore {
  stage: string;
  options: Record<string, unknown>;
}

/** Receives what a stage reports while it works. The runner prints it as progress lines or as JSON events. */
export interface Report {
  progress(progress: Progress): void;
  /** Information for the log: `43 train and 7 test views, 530×947`. */
  note(text: string): void;
  /** A problem that did not stop the stage, and its effect. */
  warn(text: string): void;
}

/** Receives the files that a stage publishes (videos, pictures). Files appear complete or not at all. */
export interface OutputFolder {
  write(path: string, bytes: Uint8Array | string): Promise<void>;
}

/** Pictures of the splat while a stage works on it. They change no byte of a result. */
export interface Preview {
  /** The least time between two pictures, seconds. */
  seconds: number;
  /** Receives a picture, WebP. */
  show(picture: Uint8Array): Promise<void>;
}

/** The last argument of every stage function: `stage(gpu, inputs, options, settings)`. */
export interface StageSettings {
  /** Seed of all random numbers; 42 by default. */
  seed?: number;
  /** Receives progress, notes and warnings; `silent` by default. */
  report?: Report;
  /** Receives files. Without it no file is written. */
  output?: OutputFolder;
  /** Receives files about the stage's work, such as the pictures behind a score. Without it none are made. */
  records?: OutputFolder;
  /** Saves and restores the unfinished work of long stages. Without it an interrupted stage starts over. */
  checkpoints?: CheckpointStore;
  /** Receives pictures of the splat from train and stylize. Without it none are made. */
  preview?: Preview;
  /** Aborted when the run is asked to stop; for a stage that waits for another process. */
  signal?: AbortSignal;
}

/** The settings that a pipeline passes: complete, except for checkpoints, records, the preview and the signal. */
export type PipelineSettings = StageSettings &
  Required<Omit<StageSettings, 'checkpoints' | 'records' | 'preview' | 'signal'>>;

export const DEFAULT_SEED = 42;

/** A report that discards everything. */
export const silent: Report = { progress() {}, note() {}, warn() {} };

/** The inputs of a stage from outside the run: absolute paths of files, and texts by their role. */
export interface Reading {
  files?: readonly string[];
  texts?: Record<string, string>;
}

/** What is known before anything runs, besides the options of a stage. */
export interface Known {
  /** Of the device, where one is open. */
  limits?: Pick<GPUSupportedLimits, 'maxBufferSize' | 'maxStorageBufferBindingSize'>;
  /** width ÷ height of the training photographs, the median. Absent where a stage of the run finds their cameras. */
  aspect?: number;
  /** The size of all views of a splat without photographs. */
  views?: { width: number; height: number };
  /** The stage receives the splat before restyling, too. */
  restyled?: boolean;
}

/**
 * A stage of a pipeline: typed options (zod: defaults, docs, JSON Schema), the artefacts that it needs and gives, and its
 * function. The function frees every buffer that it creates and does not return.
 *
 * - `needs`: artefacts that an earlier stage must produce. `uses`: artefacts that are passed if an earlier stage produces them.
 * - `gives`: every artefact that the stage can produce. `givesFor` narrows it for given options (call `stageGives`).
 * - `source`: the stage only reads the user's files, so a resumed run repeats it instead of storing a copy.
 * - Options that are paths carry `.meta({ path: 'folder' | 'file' | 'file or folder' })`: relative to the pipeline file, checked to exist
 *   before anything runs. With `names`, a pattern, such a text is a name unless the path exists.
 * - `repeats`: false if the stage may give other results from the same inputs. When it runs again, so do the stages that depend on
 *   its results.
 * - `before`: the stage that must run before it with these options. A plan puts it there, unless an earlier stage of that name
 *   has the same options.
 * - `needsPhotographs`: its dataset must have photographs. `givesPhotographs`: whether the dataset that it produces has them
 *   (default: yes). A plan where the two do not match is refused.
 * - `newRows`: its Gaussians are not, row by row, those that it takes. `needsSameRows`: its splat must have the rows of the base. A plan
 *   where the two do not match is refused.
 * - `reads` lists the inputs from outside the run, so that a later run detects changes. Default: all files under its path
 *   options.
 * - `module`: `import.meta.url` of the defining module. The stage reruns when that module, or anything that it imports,
 *   has changed. Without it, only changes of `run` itself and of the options count.
 * - `preflight` checks the inputs on disk before anything runs, and sizes as far as they are known. Returns what it finds for the stages
 *   after it. Throws InputError.
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
  repeats?: false;
  before?(options: Options): StageBefore | undefined;
  needsPhotographs?: boolean;
  newRows?: true;
  needsSameRows?: true;
  givesPhotographs?(options: Options): boolean;
  givesFor?(options: Options): readonly ArtefactName[];
  reads?(options: Options): Promise<Reading>;
  preflight?(options: Options, known?: Known): Promise<Known> | Promise<void>;
  run(
    gpu: Gpu,
    inputs: Partial<Artefacts>,
    options: Options,
    settings: PipelineSettings,
  ): Promise<Partial<Artefacts>>;
}

/** A stage whose function takes exactly the artefacts that it needs and uses. */
interface StageDefinition<Options, Needs extends ArtefactName, Uses extends ArtefactName>
  extends Omit<Stage<Options>, 'run'> {
  needs: readonly Needs[];
  uses?: readonly Uses[];
  run(
    gpu: Gpu,
    inputs: Pick<Artefacts, Needs> & Partial<Pick<Artefacts, Uses>>,
    options: Options,
    settings: PipelineSettings,
  ): Promise<Partial<Artefacts>>;
}

/** Infers the types of a stage's options and inputs. */
export function defineStage<Options, Needs extends ArtefactName = never, Uses extends ArtefactName = never>(
  definition: StageDefinition<Options, Needs, Uses>,
): Stage<Options> {
  return definition;
}

/** The artefacts that a stage produces with these (parsed) options. */
export function stageGives<Options>(stage: Stage<Options>, options: Options): readonly ArtefactName[] {
  return stage.givesFor?.(options) ?? stage.gives;
}

/** The outside inputs of a stage with these (parsed) options. Throws InputError if that cannot be determined. */
export async function stageReads<Options>(stage: Stage<Options>, options: Options): Promise<Reading> {
  return (await stage.reads?.(options)) ?? {};
}
