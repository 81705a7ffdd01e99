import { readdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hubCache } from '../../stages/clip/hub-cache.ts';
import { type ArtefactName, type Stage, stageGives, stageReads } from '../../stages/stage.ts';
import { type AdapterReport, type Gpu, InputError, pcg4d } from '../../wgsl/core/index.ts';
import { isMap } from '../file/describe.ts';
import type { Plan, PlannedStage } from '../file/plan.ts';
import { jsonSchema, mapPaths, type PathOption } from '../file/schema.ts';
import { eachOf, hashFile, pathOf, sha256Of } from '../hash.ts';
import { COMMON_CODE, type Code, CodeReader, PACKAGE, pathBelow, posix } from './code.ts';

/** Changes whenever the meaning of the fields below, or the contents of an entry, changes. */
const FORMAT = 3;

/** Everything that a stage's result depends on, as plain JSON: its hash is the stage's key. */
export interface StageIdentity {
  format: number;
  /** The stage's name; its id in the file changes no result. */
  stage: string;
  /** Resolved; each path is `<folder>` or `<file>`, because files count by content. */
  options: Json;
  /** sha256 of every file that it reads, by a name that is independent of the folder. */
  files: Record<string, string>;
  /** Other inputs, such as the text of a prompt's name. */
  texts: Record<string, string>;
  /** For each input artefact: the stage that produced it, and that stage's key. */
  inputs: Partial<Record<ArtefactName, { stage: string; key: string }>>;
  /** u32; see `stageSeeds`. */
  seed: number;
  /** sha256 of the modules and kernels that it runs, by path. */
  code: Record<string, string>;
  /** Versions by npm package: this one, those that the code imports (`webgpu` is Dawn), and their dependencies. */
  packages: Record<string, string>;
  /**
   * The JavaScript engine: major version of Node, platform, arch. Cameras, initial Gaussians and rates depend on Math.sin, exp
   * and pow. ECMAScript does not specify their last bit.
   */
  runtime: { node: string; platform: string; arch: string };
  /** With the kernels that run: a caller's own device may run others than `openGpu` would choose. */
  adapter: AdapterReport & Pick<Gpu, 'target' | 'hasMatrices'>;
}

/** A stage of a plan with its key. */
export interface KeyedStage extends PlannedStage {
  /** The seed to run the stage with. */
  seed: number;
  identity: StageIdentity;
  /** Absolute paths of the files, by their names in the identity; for messages and provenance, never hashed. */
  places: Record<string, string>;
  /** sha256 (hex) of the identity. */
  key: string;
  /** The input artefacts of the stage that an earlier one produced. */
  inputs: Map<ArtefactName, { key: string; id: string }>;
}

/** A JSON value. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const reader = new CodeReader();

/** sha256 (hex) of an identity. */
export function keyOf(identity: StageIdentity): string {
  return sha256Of(JSON.stringify(canonical(identity, 'the identity')));
}

/**
 * A value as plain JSON with sorted keys; undefined members are omitted. Equal values have equal texts (`JSON.stringify`), in
 * any order of members.
 *
 * @throws Error with the position of a value that JSON would lose: functions, maps, NaN, infinity.
 */
export function canonical(value: unknown, place = 'the value'): Json {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  if (Array.isArray(value)) return value.map((item, i) => canonical(item, `${place}[${i}]`));
  if (isMap(value) && [null, Object.prototype].includes(Object.getPrototypeOf(value))) {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined);
    entries.sort(([a], [b]) => (a < b ? -1 : 1));
    return Object.fromEntries(entries.map(([key, item]) => [key, canonical(item, `${place}.${key}`)]));
  }
  throw new Error(`${place} is ${String(value)}, which a key cannot contain`);
}

/**
 * The stages of a plan with their identities and keys, on this adapter. Reads every file that they name.
 *
 * @throws InputError when a file cannot be read, or when `reads` of a stage finds invalid inputs.
 */
export async function identities(
  plan: Pick<Plan, 'seed' | 'stages'>,
  { adapter, target, hasMatrices }: Pick<Gpu, 'adapter' | 'target' | 'hasMatrices'>,
): Promise<KeyedStage[]> {
  const seeds = stageSeeds(plan.seed, plan.stages);
  const { platform, arch, versions } = process;
  const runtime = { node: versions.node.split('.')[0], platform, arch };
  const hashes = new Map<string, string>();
  const producers = new Map<ArtefactName, KeyedStage>();
  const stages: KeyedStage[] = [];
  for (const [index, planned] of plan.stages.entries()) {
    const { id, stage, options } = planned;
    const paths: PathOption[] = [];
    // Where a capture is stored changes no result; its contents do.
    const marked = mapPaths(canonical(options, id), stage.options, (option) => {
      if (option.mayBeName) return option.value; // a path is absolute by now
      paths.push(option);
      return `<${option.kind}>`;
    });
    const { files = [], texts = {} } = stage.reads
      ? await stageReads(stage, options)
      : { files: filesOf(paths) };
    const unknown = files.filter((file) => !hashes.has(file));
    for (const [file, hash] of await hashFiles(unknown)) hashes.set(file, hash);
    const places = Object.fromEntries(files.map((file) => [fileName(file, paths), file]));
    const code = codeOf(stage);
    const taken = [...stage.needs, ...(stage.uses ?? [])].filter((name) => producers.has(name));
    const inputs = new Map(taken.map((name) => [name, producers.get(name)!]));
    const identity = canonical(
      {
        format: FORMAT,
        stage: stage.name,
        options: marked,
        files: Object.fromEntries(Object.entries(places).map(([name, path]) => [name, hashes.get(path)])),
        texts,
        inputs: Object.fromEntries(
          [...inputs].map(([name, { stage, key }]) => [name, { stage: stage.name, key }]),
        ),
        seed: seeds[index],
        code: code.files,
        packages: code.packages,
        runtime,
        adapter: { ...adapter, target, hasMatrices },
      } satisfies Record<keyof StageIdentity, unknown>,
      id,
    ) as unknown as StageIdentity;
    const keyed = { ...planned, seed: seeds[index], identity, places, key: keyOf(identity), inputs };
    for (const name of stageGives(stage, options)) producers.set(name, keyed);
    stages.push(keyed);
  }
  return stages;
}

/** Every file of these paths: a stage without `reads` may read all of them. */
function filesOf(paths: readonly PathOption[]): string[] {
  return paths.flatMap(({ value }) => {
    if (!statSync(value, { throwIfNoEntry: false })?.isDirectory()) return [value];
    const items = readdirSync(value, { recursive: true, withFileTypes: true });
    return items.filter((item) => !item.isDirectory()).map(pathOf);
  });
}

/**
 * A file's name in a key: relative to the path option that it is below (`colmap:images/0001.png`), or to this package
 * (`package:prompts/demo-clip/config.json`) or the cache of the Hugging Face Hub; elsewhere its absolute path.
 */
function fileName(file: string, paths: readonly PathOption[]): string {
  const folders = paths.map(({ path, value }) => ({
    name: path.join('.'),
    folder: statSync(value, { throwIfNoEntry: false })?.isDirectory() ? value : dirname(value),
  }));
  const known = [
    { name: 'package', folder: PACKAGE },
    { name: 'hub', folder: hubCache() },
  ];
  for (const { name, folder } of [...folders, ...known]) {
    const inside = pathBelow(folder, file);
    if (inside !== undefined) return `${name}:${inside}`;
  }
  return posix(file);
}

/** The code behind the module that defines the stage; without a module, the texts of its function and its options. */
function codeOf({ name, module, options, run }: Stage): Code {
  const { files, packages } = reader.codeOf([...(module ? [fileURLToPath(module)] : []), ...COMMON_CODE]);
  if (!module) files[`the stage ${name}`] = sha256Of(JSON.stringify(jsonSchema(options)) + String(run));
  return { files, packages };
}

/** sha256 by path. Reads all files: times and sizes are not reliable. @throws InputError naming an unreadable one. */
export async function hashFiles(files: Iterable<string>): Promise<Map<string, string>> {
  const rows = await eachOf([...new Set(files)], async (file) => {
    try {
      return [file, (await hashFile(file)).sha256] as const;
    } catch (error) {
      throw new InputError(`cannot be read (${(error as NodeJS.ErrnoException).code ?? error})`, file);
    }
  });
  return new Map(rows);
}

/** Separates derived seeds from the random numbers that stages draw with the same hash: no purpose has this number. */
const STAGE_SEED = 0x73746167;

/**
 * The seed of each stage, in order. The first of a name has the run's seed; each further one has its own, so that
 * two restylings use different views and crops. Adding a stage of another name changes no seed.
 *
 * @param seed u32.
 */
export function stageSeeds(seed: number, stages: readonly PlannedStage[]): number[] {
  const counts = new Map<string, number>();
  return stages.map(({ stage: { name } }) => {
    const occurrence = counts.get(name) ?? 0;
    counts.set(name, occurrence + 1);
    return occurrence === 0 ? seed : pcg4d(seed, STAGE_SEED, occurrence, 0)[0];
  });
}
