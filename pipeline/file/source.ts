import { readFile, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import { InputError, type Place } from '../../wgsl/core/index.ts';
import { found, isMap as isRecord, type Path } from './describe.ts';

/** Where a value was written, and the folder that a relative path in it starts from. */
export interface Origin {
  place: Place;
  base: string;
}

/** Bounds of what a hostile file may cost, far above any pipeline file. */
const MAX_BYTES = 128 * 1024;
const MAX_VALUES = 20_000;
const MAX_DEPTH = 24;
/** Brackets open at one point, or dashes on one line: beyond this the YAML parser itself runs out of memory. */
const MAX_OPEN = 64;

/** A pipeline file as plain values, each with its origin: the file, or the `--set` that replaced it. */
export class PipelineSource {
  /** The file, absolute. */
  readonly file: string;
  readonly value: Record<string, unknown>;
  readonly #origins: Map<string, Origin>;

  private constructor(file: string, value: Record<string, unknown>, origins: Map<string, Origin>) {
    this.file = file;
    this.value = value;
    this.#origins = origins;
  }

  /**
   * Reads a file; `cwd` is where a relative path starts, and messages name the file as given. `text` replaces its contents.
   * Throws InputError.
   */
  static async read(name: string, cwd: string, text?: string): Promise<PipelineSource> {
    const file = resolve(cwd, name);
    const { value, places } = parseYaml(text ?? (await readText(file, name)), name);
    if (!isRecord(value))
      throw new InputError(`expected a map with \`stages\`, found ${found(value)}`, places.get(ROOT));
    const base = dirname(file);
    return new PipelineSource(
      file,
      value,
      new Map([...places].map(([path, place]) => [path, { place, base }])),
    );
  }

  /** The origin of the value at `path`, or of the nearest parent that has one. */
  originOf(path: Path): Origin {
    for (let length = path.length; length > 0; length--) {
      const origin = this.#origins.get(JSON.stringify(path.slice(0, length)));
      if (origin) return origin;
    }
    return this.#origins.get(ROOT)!;
  }

  placeOf(path: Path): Place {
    return this.originOf(path).place;
  }

  /** Replaces the value at `path`, whose parents are maps or absent; undefined removes it. */
  set(path: Path, value: unknown, origin: Origin): void {
    const key = JSON.stringify(path);
    const below = `${key.slice(0, -1)},`;
    for (const known of this.#origins.keys()) if (known.startsWith(below)) this.#origins.delete(known);
    this.#origins.set(key, origin);
    let parent = this.value as Record<string | number, unknown>;
    for (const part of path.slice(0, -1)) {
      if (!Object.hasOwn(parent, part) || parent[part] === null) parent[part] = {};
      parent = parent[part] as Record<string, unknown>;
    }
    const last = path.at(-1)!;
    if (value === undefined) delete parent[last];
    else parent[last] = value;
  }

  /** A copy whose values and origins can be set alone. */
  copy(): PipelineSource {
    return new PipelineSource(this.file, structuredClone(this.value), new Map(this.#origins));
  }
}

const ROOT = '[]';

async function readText(file: string, name: string): Promise<string> {
  const info = await stat(file).catch(unreadable(name));
  if (!info.isFile()) throw new InputError('this is not a file; expected a pipeline file (YAML)', name);
  if (info.size > MAX_BYTES)
    throw new InputError(`${info.size} bytes; a pipeline file has at most ${MAX_BYTES}`, name);
  const bytes = await readFile(file).catch(unreadable(name));
  const nul = bytes.indexOf(0);
  if (nul >= 0) throw new InputError(`a NUL byte at offset ${nul}; expected a text file in UTF-8`, name);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new InputError('this is not UTF-8; save the file as a UTF-8 text', name);
  }
}

function unreadable(name: string): (error: NodeJS.ErrnoException) => never {
  return ({ code, message }) => {
    const text =
      code === 'ENOENT'
        ? 'no such file; expected a pipeline file (YAML)'
        : `cannot be read (${code ?? message})`;
    throw new InputError(text, name);
  };
}

/**
 * Reads YAML 1.2 (core schema) as plain values, and the place of each by its path as JSON: that of its key, where it has
 * one. Throws InputError with `file:line:column` for duplicate keys, unknown tags, several documents, keys that are not
 * text, and aliases or nesting beyond the bounds.
 */
export function parseYaml(text: string, file: string): { value: unknown; places: Map<string, Place> } {
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
    const hint = unquoted ? `; quote a text with \${…} inside { } and [ ]: "\${matrix.seed}"` : '';
    const [message] = fault.message.split('\n');
    throw new InputError(`this is not valid YAML: ${message.replace(/\s*[.:]$/, '')}${hint}`, place);
  }
  return plainValues(doc, placeAt);
}

function plainValues(doc: Document, placeAt: (offset: number) => Place) {
  const places = new Map<string, Place>();
  const placeOf = (node: unknown) => {
    const range = (node as Node | null)?.range;
    return range ? placeAt(range[0]) : undefined;
  };
  const convert = (node: unknown, path: Path, place: Place): unknown => {
    if (isAlias(node)) {
      const target = node.resolve(doc);
      if (target) return convert(target, path, place);
      const text = `\`*${node.source}\` has no \`&${node.source}\` before it`;
      throw new InputError(text, placeOf(node));
    }
    places.set(JSON.stringify(path), place);
    if (places.size > MAX_VALUES)
      throw new InputError(`more than ${MAX_VALUES} values, counting aliases`, place);
    if (path.length > MAX_DEPTH) throw new InputError(`nested deeper than ${MAX_DEPTH} levels`, place);
    if (isSeq(node))
      return node.items.map((item, index) => convert(item, [...path, index], placeOf(item) ?? place));
    if (isMap(node)) {
      return Object.fromEntries(
        node.items.map(({ key, value }) => {
          const at = placeOf(key) ?? place;
          if (!isScalar(key) || typeof key.value !== 'string')
            throw new InputError('this key is not a text; expected a name such as `steps:`', at);
          checkKey(key.value, at);
          return [key.value, convert(value, [...path, key.value], at)];
        }),
      );
    }
    return isScalar(node) ? node.value : null;
  };
  return { value: convert(doc.contents, [], placeOf(doc.contents) ?? placeAt(0)), places };
}

/** Refuses the one key that is special to JavaScript objects. */
export function checkKey(key: string, place: Place): void {
  if (key === '__proto__') throw new InputError('unknown key __proto__: remove it', place);
}

function checkNesting(text: string, file: string): void {
  let line = 1;
  let open = 0;
  let dashes = 0;
  for (const [mark] of text.matchAll(/[[{\]}\n]|[-?](?=\s|$)/g)) {
    if (mark === '\n') {
      line++;
      dashes = 0;
    } else if ('[{'.includes(mark)) open++;
    else if (']}'.includes(mark)) open = Math.max(0, open - 1);
    else dashes++;
    if (open > MAX_OPEN || dashes > MAX_OPEN)
      throw new InputError(`nested deeper than ${MAX_DEPTH} levels`, { file, line });
  }
}
