import { open } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Stage } from '../../stages/stage.ts';
import { InputError, type Place } from '../../wgsl/core/index.ts';
import { found, isMap, nearest } from './describe.ts';
import { applyOverride, type Override, parseOverride } from './override.ts';
import { headSchema, RESERVED_IDS } from './schema.ts';
import { type Located, MAX_BYTES, type Path, readYaml } from './yaml.ts';

export interface ReadOptions {
  /** `STAGE.OPTION=VALUE`, as `--set` takes them; they win over the file. */
  set?: readonly string[];
  /** Relative paths in `set` start here. Default: the working directory. */
  cwd?: string;
  /** The stages that a file may name. */
  registry: readonly Stage[];
  /** What `${env.NAME}` stands for. Default: the environment of this process. */
  env?: Readonly<Record<string, string | undefined>>;
}

/** A file's contents with the overrides sorted out, before anything is checked. */
export interface Source {
  file: string;
  cwd: string;
  located: Located;
  /** The top of the file with the overrides of its head in place. */
  top: Record<string, unknown>;
  /** The place of a value of the head: its override's, or the file's. */
  headPlaceOf(path: Path): Place;
  stageOverrides: readonly Override[];
  registry: readonly Stage[];
  env: Readonly<Record<string, string | undefined>>;
}

/** Reads the file and sorts the overrides. Throws InputError. */
export async function openSource(
  file: string,
  { set = [], cwd = process.cwd(), registry, env = process.env }: ReadOptions,
): Promise<Source> {
  const located = readYaml(await readBytes(file, cwd), file);
  const { value } = located;
  if (!isMap(value)) {
    throw new InputError(`expected a map with \`stages\`, found ${found(value)}`, located.placeOf([]));
  }
  const overrides = set.map(parseOverride);
  const isOfHead = ({ path }: Override) => path.length === 1 || RESERVED_IDS.includes(path[0]);
  const head = overrideHead(value, located, overrides.filter(isOfHead));
  const stageOverrides = overrides.filter((override) => !isOfHead(override));
  return { file, cwd, located, ...head, stageOverrides, registry, env };
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

function overrideHead(
  file: Readonly<Record<string, unknown>>,
  located: Located,
  overrides: readonly Override[],
): Pick<Source, 'top' | 'headPlaceOf'> {
  const schema = headSchema();
  const top: Record<string, unknown> = Object.assign(Object.create(null), file);
  const places = new Map<string, Place>();
  for (const override of overrides) {
    const [key, part] = override.path;
    if (key === 'stages' || !Object.hasOwn(schema.properties ?? {}, key)) {
      const known = Object.keys(schema.properties ?? {}).filter((name) => name !== 'stages');
      throw new InputError(
        `unknown key ${key}: ${nearest(key, known)} (an option of a stage is STAGE.OPTION=VALUE)`,
        override.place,
      );
    }
    if (part !== undefined) {
      // `checkpoints` is seconds or steps: one takes the other's place.
      const before = key === 'matrix' && isMap(top[key]) ? top[key] : {};
      top[key] = Object.assign(Object.create(null), before);
    }
    applyOverride(top, override.path, override, schema, 'the file');
    if (isMap(top[key]) && !Object.keys(top[key]).length) delete top[key];
    places.set(JSON.stringify(override.path), override.place);
  }
  const overrideAt = (path: Path) =>
    path.map((_, i) => places.get(JSON.stringify(path.slice(0, path.length - i)))).find((place) => place);
  return { top, headPlaceOf: (path) => overrideAt(path) ?? located.placeOf(path) };
}
