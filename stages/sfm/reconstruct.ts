import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '../../wgsl/core/index.ts';
import type { Report } from '../stage.ts';
import { type Colmap, type ColmapEnd, runColmap } from './colmap.ts';
import {
  advice,
  type Extraction,
  leftOutSentence,
  modelsBelow,
  type Outcome,
  unregistered,
} from './outcome.ts';
import { MIN_PICTURES } from './pictures.ts';

export interface ReconstructOptions {
  colmap: Colmap;
  /** The folder of the pictures, and their names in it. */
  images: string;
  names: readonly string[];
  source: Outcome['source'];
  matching: Outcome['matching'];
  cameraModel: string;
  /** One camera for all pictures, or one for each. */
  sharedCamera: boolean;
  gpu: boolean;
  /** 0: one for each core. */
  threads: number;
  seed: number;
  /** An empty folder for the database and the models. */
  work: string;
  report: Report;
  signal?: AbortSignal;
  /** Takes each line of the log. */
  log(line: string): void;
}

/** Limits each block of pairs, so that matching shows progress. */
const BLOCKS = 10;

/**
 * Runs COLMAP's extraction of features, matching and incremental mapper, and copies the largest model to `to`. Reports
 * the pictures that it lacks.
 * @throws InputError when no model has enough pictures.
 */
export async function reconstruct(options: ReconstructOptions, to: string): Promise<void> {
  const { images, names, matching, source, work, seed, report, signal } = options;
  const { colmap, cameraModel, sharedCamera, gpu, threads, log } = options;
  const count = names.length;
  const extractions = new Map<string, Extraction>();
  const database = join(work, 'database.db');
  const list = join(work, 'images.txt');
  const sparse = join(work, 'sparse');
  await writeFile(list, `${names.join('\n')}\n`);
  await mkdir(sparse);
  const common = { 'random_seed|default_random_seed': seed };
  const run = async (name: string, own: Record<string, string | number>, onLine: (line: string) => void) => {
    const takeLine = (line: string) => {
      log(line);
      onLine(line);
    };
    return runColmap({ name, options: { ...common, ...own }, onLine: takeLine, signal });
  };
  const sift = (phase: string) => ({
    [`Sift${phase}.use_gpu|Feature${phase}.use_gpu`]: Number(gpu),
    [`Sift${phase}.num_threads|Feature${phase}.num_threads`]: threads || -1,
  });

  report.note(`features of ${count} pictures by ${colmap.title}`);
  orThrow(
    await run(
      'feature_extractor',
      {
        database_path: database,
        image_path: images,
        image_list_path: list,
        'ImageReader.camera_model': cameraModel,
        'ImageReader.single_camera': Number(sharedCamera),
        ...sift('Extraction'),
      },
      extractionLines(count, extractions, report),
    ),
    'feature_extractor',
  );
  report.note(`${matching} matching`);
  orThrow(
    await run(
      `${matching}_matcher`,
      {
        database_path: database,
        ...(matching === 'exhaustive' && {
          'ExhaustiveMatching.block_size|ExhaustivePairing.block_size': Math.min(
            50,
            Math.max(2, Math.ceil(count / BLOCKS)),
          ),
        }),
        ...sift('Matching'),
      },
      matchingLines(report),
    ),
    `${matching}_matcher`,
  );
  report.note('cameras and points');
  const end = await run(
    'mapper',
    { database_path: database, image_path: images, output_path: sparse, 'Mapper.num_threads': threads || -1 },
    mapperLines(count, report),
  );
  const models = await modelsBelow(sparse);
  // The mapper fails if it finds no model; a crash after some models leaves them unfinished.
  if (models.length) orThrow(end, 'mapper');
  const outcome: Outcome = { names, extractions, models, matching, source };
  const rows = unregistered(outcome);
  for (const { name, reason } of rows) log(`not registered: ${name} (${reason})`);
  const [largest] = models;
  const registered = largest?.names.length ?? 0;
  if (registered < MIN_PICTURES) {
    const sentence =
      leftOutSentence(outcome) ?? `only ${registered} pictures were registered; ${advice(outcome, rows)}`;
    throw new InputError(`found no cameras: ${sentence}`, 'colmap');
  }
  await mkdir(to, { recursive: true });
  for (const file of ['cameras.bin', 'images.bin', 'points3D.bin']) {
    await cp(join(largest.folder, file), join(to, file));
  }
  report.note(`${registered} of ${count} pictures are registered`);
  const sentence = leftOutSentence(outcome);
  if (sentence) report.warn(sentence);
}

function orThrow(end: ColmapEnd, command: string): void {
  if (end) throw new InputError(`${command} ${end}`, 'colmap');
}

/** Versions print with or without a prefix of time and source line, so patterns match anywhere in a line. */
function extractionLines(count: number, found: Map<string, Extraction>, report: Report) {
  let name: string | undefined;
  return (line: string) => {
    const [, done] = /Processed (?:file|image) \[(\d+)\/\d+\]/.exec(line) ?? [];
    if (done) report.progress({ step: Number(done), steps: count });
    name = /Name:\s+(.+?)\s*$/.exec(line)?.[1] ?? name;
    if (!name) return;
    const [, features] = /Features:\s+(\d+)/.exec(line) ?? [];
    const [, error] = /ERROR: (.+?)\.?\s*$/.exec(line) ?? [];
    if (features) found.set(name, { features: Number(features) });
    if (error) found.set(name, { error });
  };
}

/** `Matching block [1/4, 2/4] in 1.2s` of exhaustive, `Matching image [3/11] in 0.5s` of sequential matching. */
function matchingLines(report: Report) {
  return (line: string) => {
    const [, a, as, b, bs] =
      /(?:Matching|Processing) (?:block|image) \[(\d+)\/(\d+)(?:, (\d+)\/(\d+))?\]/.exec(line) ?? [];
    if (!a) return;
    const [step, steps] = b ? [(+a - 1) * +bs + +b, +as * +bs] : [+a, +as];
    report.progress({ step, steps });
  };
}

/** `Registering image #5 (3)`: the third picture of a model. */
function mapperLines(count: number, report: Report) {
  return (line: string) => {
    const [, registered] = /Registering image #\d+ \((?:num_reg_frames=)?(\d+)\)/.exec(line) ?? [];
    if (registered) report.progress({ step: Math.min(count, Number(registered)), steps: count });
  };
}
