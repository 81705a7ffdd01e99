import { readFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import { InputError, type Place } from '../../wgsl/core/index.ts';
import { found, isMap as isRecord, type Path } from './describe.ts';

/** Limits on the cost of a hostile file, far above any pipeline file. */
const MAX_BYTES = 128 * 1024;
const MAX_VALUES = 20_000;
const MAX_DEPTH = 24;
/** Brackets open at one point, or dashes on one line: the YAML parser recurses for each, and its stack is finite. */
const MAX_OPEN = 64;

/** YAML as plain values. */
export interface Yaml<Value = unknown> {
  value: Value;
  /** The position of the key of the value at `path`, or of the nearest parent in the text. */
  placeOf(path: Path): Place;
}

/** A pipeline file. */
export interface Source extends Yaml<Record<string, unknown>> {
  /** The file, absolute. */
  file: string;
}

/**
 * Reads a pipeline file; relative paths start at `cwd`, and messages name the file as given. `text` replaces its
 * contents. Throws InputError.
 */
export async function readSource(name: string, cwd: string, text?: string): Promise<Source> {
  const file = resolve(cwd, name);
  const { value, placeOf } = parseYaml(text ?? (await readText(file, name)), name);
  if (!isRecord(value))
    throw new InputError(`expected a map with \`stages\`, found ${found(value)}`, placeOf([]));
  return { file, value, placeOf };
}

async function readText(file: string, name: string): Promise<string> {
  const unreadable = ({ code, message }: NodeJS.ErrnoException): never => {
    const reason =
      code === 'ENOENT'
        ? 'no such file; expected a pipeline file (YAML)'
        : `cannot be read (${code ?? message})`;
    throw new InputError(reason, name);
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
 * documents, keys that are not text, and aliases or nesting beyond the bounds.
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
      const at = placeOfNode(key) ?? place;
      if (!isScalar(key) || typeof key.value !== 'string')
        throw new InputError('this key is not a string; expected a name such as `steps:`', at);
      checkKey(key.value, at);
      return [key.value, plain(value, [...path, key.value], at)];
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

function checkNesting(text: string, file: string): void {
  let open = 0;
  for (const [index, line] of text.split('\n').entries()) {
    let dashes = 0;
    for (const [mark] of line.matchAll(/[[{\]}]|[-?](?=\s|$)/g)) {
      if ('[{'.includes(mark)) open++;
      else if (']}'.includes(mark)) open = Math.max(0, open - 1);
      else dashes++;
      if (open > MAX_OPEN || dashes > MAX_OPEN)
        throw new InputError(`nested deeper than ${MAX_DEPTH} levels`, { file, line: index + 1, column: 1 });
    }
  }
}
