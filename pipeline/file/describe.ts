import { distance } from 'fastest-levenshtein';

/** Keys and list indices from the top of a file, or of a part of it. */
export type Path = readonly (string | number)[];

/** The subset of JSON Schema (draft 7) that zod generates for the options. */
export interface JsonSchema {
  type?: string | string[];
  description?: string;
  default?: unknown;
  enum?: unknown[];
  const?: unknown;
  anyOf?: JsonSchema[];
  properties?: Record<string, JsonSchema>;
  required?: string[];
  additionalProperties?: boolean | JsonSchema;
  items?: JsonSchema | JsonSchema[];
  minItems?: number;
  minLength?: number;
  pattern?: string;
  /** An extension, by `.meta({ path })`: the string is the path of something that must exist. */
  path?: 'file' | 'folder' | 'file or folder';
  /** An extension, by `.meta({ path, names })`: a pattern of texts that are names unless such a path exists. */
  names?: string;
  /** An extension, by `.meta({ path, advice })`: the fix for a wrong path. */
  advice?: string;
  [key: string]: unknown;
}

/** A schema and the alternatives of a union. */
export const variants = (schema: JsonSchema): JsonSchema[] => [schema, ...(schema.anyOf ?? [])];

/** The keys that a map may have by its schema, or by any branch of it. */
export function knownKeys(schema: JsonSchema): string[] {
  return variants(schema).flatMap(({ properties = {} }) => Object.keys(properties));
}

/** The values that a schema accepts, in words: `a whole number, at least 1`; `default or mcmc`; `a list of 2 whole numbers`. */
export function describe(schema: JsonSchema): string {
  const { anyOf, enum: values, const: value, path, names, type } = schema;
  if (anyOf) return choices([...new Set(anyOf.flatMap((part) => part.enum?.map(literal) ?? describe(part)))]);
  if (values) return choices(values.map(literal));
  if (value !== undefined) return literal(value);
  if (path) return `${names ? 'a name or ' : ''}the path of a ${path}`;
  if (Array.isArray(type)) return choices(type.map((one) => describe({ ...schema, type: one })));
  switch (type) {
    case 'integer':
      return ['a whole number', ...bounds(schema)].join(', ');
    case 'number':
      return ['a number', ...bounds(schema)].join(', ');
    case 'boolean':
      return 'true or false';
    case 'string':
      return schema.minLength ? 'a non-empty string' : 'a string';
    case 'array':
      return list(schema);
    case 'object':
      if (!schema.properties) return 'a map';
      return knownKeys(schema).length ? `a map of ${knownKeys(schema).join(', ')}` : 'an empty map';
    default:
      return 'another value';
  }
}

function list({ items, minItems }: JsonSchema): string {
  if (Array.isArray(items)) {
    const words = items.map(describe);
    const isUniform = new Set(words).size === 1;
    return `a list of ${items.length}: ${isUniform ? `each ${words[0]}` : words.join('; ')}`;
  }
  const size = minItems ? `a list of at least ${minItems}` : 'a list';
  return items?.type || items?.anyOf ? `${size}: ${describe(items)}` : size;
}

const BOUNDS: [string, string][] = [
  ['minimum', 'at least'],
  ['exclusiveMinimum', 'above'],
  ['maximum', 'at most'],
  ['multipleOf', 'a multiple of'],
  ['exclusiveMaximum', 'below'],
];

function bounds(schema: JsonSchema): string[] {
  return BOUNDS.flatMap(([key, words]) => {
    const bound = schema[key];
    // zod limits every integer to the safe range, which a description can omit.
    const says = typeof bound === 'number' && Math.abs(bound) < Number.MAX_SAFE_INTEGER;
    return says ? [`${words} ${bound}`] : [];
  });
}

/** A copy of a value in which `replace` replaces every string, at any depth, but no key. */
export function mapTexts(
  value: unknown,
  replace: (text: string, path: Path) => unknown,
  path: Path = [],
): unknown {
  if (typeof value === 'string') return replace(value, path);
  if (Array.isArray(value)) return value.map((item, index) => mapTexts(item, replace, [...path, index]));
  if (!isMap(value)) return value;
  const entries = Object.entries(value).map(([key, item]) => [key, mapTexts(item, replace, [...path, key])]);
  return Object.fromEntries(entries);
}

/** The value at `path`, or undefined. */
export function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>((node, key) => {
    const isInside = typeof node === 'object' && node !== null && Object.hasOwn(node, key);
    return isInside ? (node as Record<string | number, unknown>)[key] : undefined;
  }, value);
}

/** Whether a value is a map of keys, rather than a list, a scalar or nothing. */
export function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A value for a message, truncated to a readable length. */
export function literal(value: unknown): string {
  const text = typeof value === 'string' && /^[\w./-]+$/.test(value) ? value : JSON.stringify(value);
  if (text === undefined) return String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

/** A value with its kind: `"many" (a string)`. */
export function withKind(value: unknown): string {
  if (value === null) return 'empty';
  if (Array.isArray(value)) return `${literal(value)} (a list)`;
  const kinds: Record<string, string> = { string: 'a string', number: 'a number', boolean: 'true or false' };
  return `${literal(value)} (${kinds[typeof value] ?? 'a map'})`;
}

/** `a, b or c`. */
export function choices(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}

/** Maximum fraction of the letters in which a name may differ from the intended one. */
const NEAR = 0.5;
const MAX_EDITS = 3;

/** `expected a, b or c`, and the nearest of them if it is likely to be the intended one. */
export function nearest(name: string, names: readonly string[]): string {
  if (!names.length) return 'expected none';
  const given = name.slice(0, 100).toLowerCase();
  const distances = names.map((known) => {
    const edits = distance(given, known.toLowerCase());
    return edits > MAX_EDITS ? 1 : edits / Math.max(given.length, known.length);
  });
  const smallest = Math.min(...distances);
  const hint = smallest <= NEAR ? `; the nearest is \`${names[distances.indexOf(smallest)]}\`` : '';
  return `expected ${choices(names)}${hint}`;
}
