import { open } from 'node:fs/promises';
import { basename, dirname, extname, resolve } from 'node:path';
import type { Stage } from '../../stages/stage.ts';
import { InputError, type Place } from '../../wgsl/core/index.ts';
import { found, nearest } from './describe.ts';
import { type Entry, isMap, readEntries } from './entries.ts';
import { type Mistake, mistakesOf, throwMistakes } from './mistakes.ts';
import { applyOverride, type Override, parseOverride } from './override.ts';
import { pathMistakes, resolvePaths } from './paths.ts';
import { orderMistakes, type Plan, type PlannedStage } from './plan.ts';
import { headSchema, pipelineHead, stageSchema } from './schema.ts';
import { type Located, MAX_BYTES, type Path, readYaml } from './yaml.ts';

export interface ReadOptions {
  /** `STAGE.OPTION=VALUE`, as `--set` takes them; they win over the file. */
  set?: readonly string[];
  /** Relative paths in `set` start here. Default: the working directory. */
  cwd?: string;
  /** The stages that a file may name. */
  registry: readonly Stage[];
}

/**
 * Reads, overrides and checks a pipeline file: keys, types, ranges, paths, ids and the order of the stages. Every mistake
 * is a sentence with its place; all that can be told at once are told in one InputError.
 */
export async function readPipeline(
  file: string,
  { set = [], cwd = process.cwd(), registry }: ReadOptions,
): Promise<Plan> {
  const located = readYaml(await readBytes(file, cwd), file);
  const top = located.value;
  if (!isMap(top)) {
    throw new InputError(`expected a map with \`stages\`, found ${found(top)}`, located.placeOf([]));
  }
  const overrides = set.map(parseOverride);
  const mistakes: Mistake[] = [];
  const head = readHead(top, located, overrides, mistakes);
  const entries = readEntries(top.stages, located, registry, mistakes);
  throwMistakes(mistakes);
  const byStage = assignOverrides(entries, overrides);
  const stages: PlannedStage[] = [];
  for (const entry of entries) {
    const base = dirname(resolve(cwd, file));
    stages.push(await checkStage(entry, byStage.get(entry.id) ?? [], located, { base, cwd }, mistakes));
  }
  throwMistakes(mistakes);
  throwMistakes(orderMistakes(stages, registry));
  const name = head.name ?? basename(file, extname(file)).replace(/[^A-Za-z0-9._-]/g, '-');
  return { name, seed: head.seed, stages };
}

/** The bytes of a regular file of bounded size. */
async function readBytes(file: string, cwd: string): Promise<Uint8Array> {
  try {
    const handle = await open(resolve(cwd, file), 'r');
    try {
      const info = await handle.stat();
      if (!info.isFile()) throw new InputError('this is not a file; expected a pipeline file (YAML)', file);
      if (info.size > MAX_BYTES) {
        throw new InputError(`${info.size} bytes; a pipeline file has at most ${MAX_BYTES}`, file);
      }
      return new Uint8Array(await handle.readFile());
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof InputError) throw error;
    const reason = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new InputError(
      reason === 'ENOENT' ? 'no such file; expected a pipeline file (YAML)' : `cannot be read (${reason})`,
      file,
    );
  }
}

function readHead(
  top: Record<string, unknown>,
  located: Located,
  overrides: readonly Override[],
  mistakes: Mistake[],
): { name?: string; seed: number } {
  const schema = headSchema();
  const value: Record<string, unknown> = { ...top };
  const places = new Map<string, Place>();
  for (const override of overrides.filter(({ path }) => path.length === 1)) {
    const [key] = override.path;
    if (key === 'stages' || !Object.hasOwn(schema.properties ?? {}, key)) {
      const known = Object.keys(schema.properties ?? {}).filter((name) => name !== 'stages');
      throw new InputError(
        `unknown key ${key}: ${nearest(key, known)} (an option of a stage is STAGE.OPTION=VALUE)`,
        override.place,
      );
    }
    applyOverride(value, [key], override, schema, 'the file');
    places.set(key, override.place);
  }
  const parsed = pipelineHead.safeParse(value);
  if (parsed.success) return parsed.data;
  const placeOf = (path: Path) => places.get(String(path[0])) ?? located.placeOf(path);
  mistakes.push(...mistakesOf(parsed.error.issues, value, schema, 'the file', placeOf));
  return { seed: 0 };
}

function assignOverrides(entries: readonly Entry[], overrides: readonly Override[]): Map<string, Override[]> {
  const byStage = new Map<string, Override[]>();
  for (const override of overrides.filter(({ path }) => path.length > 1)) {
    const [id] = override.path;
    const ids = entries.map((entry) => entry.id);
    if (!ids.includes(id))
      throw new InputError(`no stage is called ${id}: ${nearest(id, ids)}`, override.place);
    byStage.set(id, [...(byStage.get(id) ?? []), override]);
  }
  return byStage;
}

async function checkStage(
  entry: Entry,
  overrides: readonly Override[],
  located: Located,
  { base, cwd }: { base: string; cwd: string },
  mistakes: Mistake[],
): Promise<PlannedStage> {
  const { id, stage, at, place } = entry;
  const schema = stageSchema(stage);
  const overridden = new Map<string, Place>();
  const options = structuredCopy(entry.options);
  for (const override of overrides) {
    const path = override.path.slice(1);
    applyOverride(options, path, override, schema, id);
    overridden.set(JSON.stringify(path), override.place);
  }
  const overrideAt = (path: Path) =>
    path.map((_, i) => overridden.get(JSON.stringify(path.slice(0, path.length - i)))).find((found) => found);
  const placeOf = (path: Path) => overrideAt(path) ?? located.placeOf([...at, ...path]);
  const resolved = resolvePaths(options, schema, (path) => (overrideAt(path) ? cwd : base));
  const parsed = stage.options.safeParse(resolved.value);
  if (!parsed.success) mistakes.push(...mistakesOf(parsed.error.issues, options, schema, id, placeOf));
  mistakes.push(...(await pathMistakes(resolved.options, id, placeOf)));
  return { id, stage, options: parsed.data, place };
}

/** A deep copy that keeps maps without prototypes. */
function structuredCopy(value: Record<string, unknown>): Record<string, unknown> {
  const copy: Record<string, unknown> = Object.create(null);
  for (const [key, item] of Object.entries(value)) copy[key] = isMap(item) ? structuredCopy(item) : item;
  return copy;
}
