import { InputError } from '../../wgsl/core/index.ts';
import { isMap, nearest, type Path, schemaAt } from './describe.ts';
import { headSchema, RESERVED_IDS } from './schema.ts';
import { knownKeys, Section, valueAt } from './section.ts';
import { checkKey, type Origin, type PipelineSource, parseYaml } from './source.ts';

/** A value given on the command line: `--set train.steps=500`. */
export interface Override {
  /** `train.steps` → ['train', 'steps']; `seed` → ['seed']. */
  path: readonly string[];
  text: string;
  origin: Origin;
}

/** Splits `key.sub=VALUE`; a relative path in the value starts at `cwd`. */
export function parseOverride(argument: string, cwd: string): Override {
  const place = { file: `--set ${argument}` };
  const equals = argument.indexOf('=');
  const path = argument.slice(0, Math.max(0, equals)).split('.');
  if (equals < 1 || path.includes(''))
    throw new InputError('expected STAGE.OPTION=VALUE, for example --set train.steps=500', place);
  for (const key of path) checkKey(key, place);
  return { path, text: argument.slice(equals + 1), origin: { place, base: cwd } };
}

/**
 * Puts the value at `path` below the section. Where the schema wants a text, the value is taken as it is; elsewhere it is
 * read as YAML (`[sh, opacity]`, `500`, `true`). An empty value removes the option.
 */
export function applyOverride(section: Section, path: Path, { text, origin }: Override): void {
  const { source, at, schema } = section;
  for (let depth = 1; depth < path.length; depth++) {
    const parent = valueAt(source.value, [...at, ...path.slice(0, depth)]) ?? {};
    if (isMap(parent)) continue;
    const known = knownKeys(schemaAt(schema, path.slice(0, depth - 1)));
    const hint = nearest(String(path[depth - 1]), known);
    throw new InputError(`${section.nameOf(path.slice(0, depth))} has no parts: ${hint}`, origin.place);
  }
  const wantsText = schemaAt(schema, path)?.type === 'string';
  const value = wantsText ? text : parseYaml(text, origin.place.file).value;
  source.set([...at, ...path], text === '' ? undefined : (value ?? undefined), origin);
}

/** Applies the overrides of the head (`seed=7`, `matrix.prompt=[wood]`) and returns those of stages. */
export function applyHeadOverrides(source: PipelineSource, overrides: readonly Override[]): Override[] {
  const schema = headSchema();
  const section = new Section(source, [], 'the file', schema);
  const isOfHead = ({ path }: Override) => path.length === 1 || RESERVED_IDS.includes(path[0]);
  for (const override of overrides.filter(isOfHead)) {
    const [key, part] = override.path;
    const known = knownKeys(schema).filter((name) => name !== 'stages');
    if (!known.includes(key))
      throw new InputError(
        `unknown key ${key}: ${nearest(key, known)} (an option of a stage is STAGE.OPTION=VALUE)`,
        override.origin.place,
      );
    // `checkpoints` has one of two keys, or is a word: a part replaces the whole. A matrix keeps its other axes.
    if (part !== undefined && !(key === 'matrix' && isMap(source.value.matrix)))
      source.set([key], {}, override.origin);
    applyOverride(section, override.path, override);
    const now = source.value[key];
    if (isMap(now) && !Object.keys(now).length) source.set([key], undefined, override.origin);
  }
  return overrides.filter((override) => !isOfHead(override));
}
