import { distance } from 'fastest-levenshtein';

/** Keys and list indices from the top of a file, or of a part of it. */
export type Path = readonly (string | number)[];

/** The part of JSON Schema (draft 7) that zod writes for our options. */
export interface JsonSchema {
  type?: string | string[];
  description?: string;
  default?: unknown;
  enum?: unknown[];
  const?: unknown;
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  allOf?: JsonSchema[];
  properties?: Record<string, JsonSchema>;
  required?: string[];
  additionalProperties?: boolean | JsonSchema;
  minProperties?: number;
  maxProperties?: number;
  items?: JsonSchema | JsonSchema[];
  minItems?: number;
  maxItems?: number;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  multipleOf?: number;
  minLength?: number;
  maxLength?: number;
  pattern?: string;
  /** An extension, by `.meta({ path })`: the text is the path of something that must exist. */
  path?: 'file' | 'folder';
  /** An extension, by `.meta({ path, advice })`: what to do when the path is wrong. */
  advice?: string;
  [key: string]: unknown;
}

/** The schema of the value at `path`, or undefined where the schema names none. */
export function schemaAt(schema: JsonSchema, path: Path): JsonSchema | undefined {
  if (!path.length) return schema;
  const [head, ...rest] = path;
  for (const branch of [schema, ...branches(schema)]) {
    const next = child(branch, head);
    const found = next && schemaAt(next, rest);
    if (found) return found;
  }
  return undefined;
}

/** The alternatives of a union; none for any other schema. */
export function branches(schema: JsonSchema): JsonSchema[] {
  return schema.anyOf ?? schema.oneOf ?? schema.allOf ?? [];
}

function child(schema: JsonSchema, key: string | number): JsonSchema | undefined {
  if (typeof key === 'number') return Array.isArray(schema.items) ? schema.items[key] : schema.items;
  if (schema.properties && Object.hasOwn(schema.properties, key)) return schema.properties[key];
  return typeof schema.additionalProperties === 'object' ? schema.additionalProperties : undefined;
}

/** The values that a schema accepts, in words: `a whole number, at least 1`; `default or mcmc`; `a list of 2 whole numbers`. */
export function describe(schema: JsonSchema): string {
  if (schema.const !== undefined) return literal(schema.const);
  if (schema.enum || branches(schema).length) return choices([...new Set(alternatives(schema))]);
  if (schema.path) return `the path of a ${schema.path}`;
  if (Array.isArray(schema.type)) {
    const types = schema.type.filter((type) => type !== 'null' || schema.type?.length === 1);
    return choices(types.map((type) => describe({ ...schema, type })));
  }
  switch (schema.type) {
    case 'integer':
      return ['a whole number', ...bounds(schema)].join(', ');
    case 'number':
      return ['a number', ...bounds(schema)].join(', ');
    case 'boolean':
      return 'true or false';
    case 'string':
      return schema.minLength ? 'a text that is not empty' : 'a text';
    case 'array':
      return list(schema);
    case 'object':
      return schema.properties ? `a map of ${Object.keys(schema.properties).join(', ')}` : 'a map';
    case 'null':
      return 'nothing';
    default:
      return 'another value';
  }
}

function alternatives(schema: JsonSchema): string[] {
  if (schema.enum) return schema.enum.map(literal);
  const parts = branches(schema);
  return parts.length ? parts.flatMap(alternatives) : [describe(schema)];
}

function list(schema: JsonSchema): string {
  if (Array.isArray(schema.items)) {
    const [first, ...others] = schema.items.map(describe);
    const alike = others.every((other) => other === first);
    return alike
      ? `a list of ${schema.items.length}: each ${first}`
      : `a list of ${schema.items.length}: ${[first, ...others].join('; ')}`;
  }
  const least = schema.minItems ? `at least ${schema.minItems}` : '';
  const each = schema.items && Object.keys(schema.items).length ? describe(schema.items) : '';
  const words = [least, each].filter(Boolean).join(': ');
  return words ? `a list of ${words}` : 'a list';
}

function bounds(schema: JsonSchema): string[] {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema;
  const words: string[] = [];
  // zod bounds every integer by the safe ones, which says nothing to a reader.
  const safe = (value: number) => Math.abs(value) < Number.MAX_SAFE_INTEGER;
  if (minimum !== undefined && safe(minimum)) words.push(`at least ${minimum}`);
  if (exclusiveMinimum !== undefined && safe(exclusiveMinimum)) words.push(`above ${exclusiveMinimum}`);
  if (maximum !== undefined && safe(maximum)) words.push(`at most ${maximum}`);
  if (schema.multipleOf !== undefined) words.push(`a multiple of ${schema.multipleOf}`);
  if (exclusiveMaximum !== undefined && safe(exclusiveMaximum)) words.push(`below ${exclusiveMaximum}`);
  return words;
}

/** Whether a value is a map of keys, rather than a list, a scalar or nothing. */
export function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A value as a sentence shows it, cut to a readable length. */
export function literal(value: unknown): string {
  const text = typeof value === 'string' && /^[\w./-]+$/.test(value) ? value : JSON.stringify(value);
  if (text === undefined) return String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

/** A value with its kind: `"many" (a text)`. */
export function found(value: unknown): string {
  if (value === null) return 'empty';
  if (Array.isArray(value)) return `${literal(value)} (a list)`;
  const kinds: Record<string, string> = { string: 'a text', number: 'a number', boolean: 'true or false' };
  return `${literal(value)} (${kinds[typeof value] ?? 'a map'})`;
}

/** `a, b or c`. */
export function choices(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}

/** How many of the letters of a name may differ from those of the name that was meant. */
const NEAR = 0.5;

/** `expected a, b or c`, and the nearest of them where it is likely to be what was meant. */
export function nearest(name: string, names: readonly string[]): string {
  if (!names.length) return 'expected none';
  const given = name.slice(0, 100).toLowerCase();
  const distances = names.map(
    (known) => distance(given, known.toLowerCase()) / Math.max(given.length, known.length),
  );
  const least = Math.min(...distances);
  const hint = least <= NEAR ? `; the nearest is \`${names[distances.indexOf(least)]}\`` : '';
  return `expected ${choices(names)}${hint}`;
}
