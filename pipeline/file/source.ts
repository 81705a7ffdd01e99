import { readFile, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import { checkNesting } from '../../stages/artefacts/yaml.ts';
import { InputError, type Place } from '../../wgsl/core/index.ts';
import { isMap as isRecord, literal, type Path, valueAt } from './describe.ts';

/** Limits on the cost of a hostile file, far above any pipeline file. */
const MAX_BYTES = 128 * 1024;
const MAX_VALUES = 20_000;
const MAX_DEPTH = 24;

/** YAML as plain values. */
interface Yaml {
  value: unknown;
  /** The position of the key of the value at `path`, or of the nearest parent in the text. */
  placeOf(path: Path): Place;
}

/** A value that the command line sets. */
interface Override {
  path: Path;
  place: Place;
  /** The base folder of relative paths in the value. */
  base: string;
}

/** A pipeline file as plain values with their positions, and the values that the command line sets in it. */
export class Source {
  /** The file, absolute. */
  readonly file: string;
  value: unknown;
  readonly #written: Yaml;
  readonly #overrides: Override[] = [];

  constructor(file: string, written: Yaml) {
    this.file = file;
    this.#written = written;
    this.value = written.value;
  }

  /** Sets the value at a path; undefined removes it. */
  override(value: unknown, { path, place, base }: Override): void {
    const depth = path.findIndex((_, i) => valueAt(this.value, path.slice(0, i + 1)) === undefined);
    // The maps that this creates have its position, too.
    this.#overrides.push({ path: depth < 0 ? path : path.slice(0, depth + 1), place, base });
    this.value = withValue(this.value, path, value, place);
  }

  placeOf(path: Path): Place {
    return this.#overrideOf(path)?.place ?? this.#written.placeOf(path);
  }

  /** The absolute path for a relative one in the value at `path`. */
  resolve(path: Path, relative: string): string {
    return resolve(this.#overrideOf(path)?.base ?? dirname(this.file), relative);
  }

  #overrideOf(path: Path): Override | undefined {
    return this.#overrides.findLast((override) => override.path.every((key, depth) => path[depth] === key));
  }
}

/** A copy of `node` with another value at a path. */
function withValue(node: unknown, [key, ...rest]: Path, value: unknown, place: Place): unknown {
  if (key === undefined) return value;
  if (Array.isArray(node)) return node.with(Number(key), withValue(node[Number(key)], rest, value, place));
  if (!isRecord(node ?? {})) throw new InputError(`${literal(node)} has no part \`${key}\``, place);
  const map: Record<string, unknown> = { ...(node as object) };
  const changed = withValue(valueAt(map, [key]), rest, value, place);
  if (changed !== undefined) return { ...map, [key]: changed };
  delete map[key];
  return map;
}

/** Reads a pipeline file, or `text` in its place; relative paths start at `cwd`. @throws InputError */
export async function readSource(name: string, cwd: string, text?: string): Promise<Source> {
  const file = resolve(cwd, name);
  return new Source(file, parseYaml(text ?? (await readText(file, name)), name));
}

async function readText(file: string, name: string): Promise<string> {
  const unreadable = ({ code, message }: NodeJS.ErrnoException): never => {
    const reason = code === 'ENOENT' ? 'no such file; expected a pipeline file (YAML)' : undefined;
    throw new InputError(reason ?? `cannot be read (${code ?? message})`, name);
  };
  const info = await stat(file).catch(unreadable);
  if (!info.isFile()) throw new InputError('this is not a file; expected a pipeline file (YAML)', name);
  if (info.size > MAX_BYTES)
    throw new InputError(`${info.size} bytes; a pipeline file has at most ${MAX_BYTES}`, name);
  const bytes = await readFile(file).catch(unreadable);
  const nul = bytes.indexOf(0);
  if (nul >= 0) throw new InputError(`a NUL byte at offset ${nul}; expected a text file in UTF-8`, name);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new InputError('this is not UTF-8; save the file as a UTF-8 text', name);
  }
}

/**
 * Reads YAML 1.2 (core schema). Throws InputError with `file:line:column` for duplicate keys, unknown tags, several
 * documents, and aliases or nesting beyond the bounds.
 */
export function parseYaml(text: string, file: string): Yaml {
  checkNesting(text, file);
  const lineCounter = new LineCounter();
  const doc = parseDocument(text, { lineCounter, schema: 'core', uniqueKeys: true, prettyErrors: false });
  const placeAt = (offset: number): Place => {
    const { line, col } = lineCounter.linePos(offset);
    return { file, line: Math.max(1, line), column: Math.max(1, col) };
  };
  const [fault] = [...doc.errors, ...doc.warnings];
  if (fault) {
    const place = placeAt(fault.pos[0]);
    const unquoted = text.split('\n')[place.line! - 1]?.includes('${');
    const hint = unquoted ? `; quote a string with \${…} inside { } and [ ]: "\${matrix.seed}"` : '';
    const [message] = fault.message.split('\n');
    throw new InputError(`this is not valid YAML: ${message.replace(/\s*[.:]$/, '')}${hint}`, place);
  }
  const places = new Map<string, Place>();
  const placeOfNode = (node: unknown) => {
    const range = (node as Node | null)?.range;
    return range ? placeAt(range[0]) : undefined;
  };
  const plain = (node: unknown, path: Path, place: Place): unknown => {
    if (isAlias(node)) {
      const target = node.resolve(doc);
      if (target) return plain(target, path, place);
      const { source } = node;
      throw new InputError(`\`*${source}\` has no \`&${source}\` before it`, placeOfNode(node));
    }
    places.set(JSON.stringify(path), place);
    if (places.size > MAX_VALUES)
      throw new InputError(`more than ${MAX_VALUES} values, counting aliases`, place);
    if (path.length > MAX_DEPTH) throw new InputError(`nested deeper than ${MAX_DEPTH} levels`, place);
    if (isSeq(node))
      return node.items.map((item, index) => plain(item, [...path, index], placeOfNode(item) ?? place));
    if (!isMap(node)) return isScalar(node) ? node.value : null;
    const entries = node.items.map(({ key, value }) => {
      const [name, at] = [String(key), placeOfNode(key) ?? place];
      checkKey(name, at);
      return [name, plain(value, [...path, name], at)];
    });
    return Object.fromEntries(entries);
  };
  const value = plain(doc.contents, [], placeOfNode(doc.contents) ?? placeAt(0));
  const placeOf = (path: Path): Place => places.get(JSON.stringify(path)) ?? placeOf(path.slice(0, -1));
  return { value, placeOf };
}

/** Refuses the one key that is special to JavaScript objects. */
export function checkKey(key: string, place: Place): void {
  if (key === '__proto__') throw new InputError('unknown key __proto__: remove it', place);
}
