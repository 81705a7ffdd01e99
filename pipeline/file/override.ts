import { InputError, type Place } from '../../wgsl/core/index.ts';
import { type JsonSchema, nearest, schemaAt } from './describe.ts';
import { dotted } from './mistakes.ts';
import { type Path, readYaml } from './yaml.ts';

/** A value given on the command line: `--set train.steps=500`. */
export interface Override {
  /** `train.steps` → ['train', 'steps']; `seed` → ['seed']. */
  path: readonly string[];
  text: string;
  place: Place;
}

/** Splits `key.sub=VALUE`. */
export function parseOverride(argument: string): Override {
  const place = { file: `--set ${argument}` };
  const equals = argument.indexOf('=');
  const path = argument.slice(0, Math.max(0, equals)).split('.');
  if (equals < 1 || path.some((key) => key === '')) {
    throw new InputError('expected STAGE.OPTION=VALUE, for example --set train.steps=500', place);
  }
  return { path, text: argument.slice(equals + 1), place };
}

/**
 * Puts the override's value at `path` below `target`. Where the schema wants a text, the text is taken as it stands;
 * elsewhere it is read as YAML (`[sh, opacity]`, `500`, `true`). An empty value takes the option away.
 */
export function applyOverride(
  target: Record<string, unknown>,
  path: readonly string[],
  override: Override,
  schema: JsonSchema,
  subject: string,
): void {
  const parent = path.slice(0, -1).reduce((node, key, depth) => {
    const next = Object.hasOwn(node, key) ? node[key] : undefined;
    if (next === undefined || next === null) {
      return (node[key] = Object.create(null) as Record<string, unknown>);
    }
    if (typeof next !== 'object' || Array.isArray(next)) {
      const known = Object.keys(schemaAt(schema, path.slice(0, depth))?.properties ?? {});
      throw new InputError(
        `\`${dotted(path.slice(0, depth + 1))}\` of ${subject} has no parts: ${nearest(key, known)}`,
        override.place,
      );
    }
    return next as Record<string, unknown>;
  }, target);
  const key = path.at(-1)!;
  const value = readValue(override, schemaAt(schema, path as Path));
  if (value === null) delete parent[key];
  else parent[key] = value;
}

function readValue({ text, place }: Override, schema: JsonSchema | undefined): unknown {
  if (text === '') return null;
  if (schema?.type === 'string') return text;
  return readYaml(new TextEncoder().encode(text), place.file).value;
}
