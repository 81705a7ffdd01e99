import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import { InputError, type Place } from '../../wgsl/core/index.ts';

export type Path = readonly (string | number)[];

/** A YAML text as plain values, and the place of every key and value. */
export interface Located {
  value: unknown;
  /** Where the value at `path` stands: its key, when it has one. Falls back to the nearest parent. */
  placeOf(path: Path): Place;
}

/** Far above any pipeline file; what a hostile file may cost us. */
export const MAX_BYTES = 128 * 1024;
const MAX_VALUES = 20_000;
const MAX_DEPTH = 24;
/** Opened and not yet closed brackets, or dashes on one line: beyond this the parser itself would run out of memory. */
const MAX_OPEN = 64;

/**
 * Reads YAML 1.2 (core schema) from bytes. Throws InputError with `file:line:column` for anything that is not plain
 * YAML: other encodings, NUL bytes, duplicate keys, unknown tags, several documents, keys that are not text, and
 * aliases or nesting that grow beyond bounds.
 */
export function readYaml(bytes: Uint8Array, file: string): Located {
  const counter = new LineCounter();
  const placeAt = (offset: number): Place => {
    const { line, col } = counter.linePos(offset);
    return { file, line: Math.max(1, line), column: Math.max(1, col) };
  };
  const text = decode(bytes, file);
  boundNesting(text, file);
  const doc = parse(text, counter);
  const fault = doc.errors[0] ?? doc.warnings[0];
  if (fault) {
    const place = placeAt(fault.pos[0]);
    const bare = text.split('\n')[place.line! - 1]?.includes('${');
    const hint = bare ? `; inside { } and [ ] a text with \${…} stands in quotes: "\${matrix.seed}"` : '';
    throw new InputError(`this is not valid YAML: ${firstLine(fault.message)}${hint}`, place);
  }

  const offsets = new Map<string, number>();
  let values = 0;
  const convert = (node: unknown, path: Path, at: number): unknown => {
    if (++values > MAX_VALUES)
      throw new InputError(`more than ${MAX_VALUES} values, counting aliases`, placeAt(at));
    if (path.length > MAX_DEPTH) throw new InputError(`nested deeper than ${MAX_DEPTH} levels`, placeAt(at));
    if (isAlias(node)) {
      const target = node.resolve(doc);
      if (!target)
        throw new InputError(
          `\`*${node.source}\` has no \`&${node.source}\` before it`,
          placeAt(offsetOf(node) ?? at),
        );
      return convert(target, path, at);
    }
    if (isScalar(node)) return node.value;
    if (isSeq(node)) {
      return node.items.map((item, index) => {
        const start = offsetOf(item) ?? at;
        const below = [...path, index];
        offsets.set(JSON.stringify(below), start);
        return convert(item, below, start);
      });
    }
    if (isMap(node)) {
      // Without a prototype, so that a key such as `__proto__` is a key like any other.
      const map: Record<string, unknown> = Object.create(null);
      for (const { key, value } of node.items) {
        const start = offsetOf(key) ?? at;
        if (!isScalar(key) || typeof key.value !== 'string') {
          throw new InputError('this key is not a text; expected a name such as `steps:`', placeAt(start));
        }
        const below = [...path, key.value];
        offsets.set(JSON.stringify(below), start);
        map[key.value] = convert(value, below, start);
      }
      return map;
    }
    return null;
  };
  const value = convert(doc.contents, [], 0);
  return {
    value,
    placeOf(path) {
      for (let length = path.length; length > 0; length--) {
        const offset = offsets.get(JSON.stringify(path.slice(0, length)));
        if (offset !== undefined) return placeAt(offset);
      }
      return placeAt(offsetOf(doc.contents) ?? 0);
    },
  };
}

function decode(bytes: Uint8Array, file: string): string {
  if (bytes.byteLength > MAX_BYTES) {
    throw new InputError(`${bytes.byteLength} bytes; a pipeline file has at most ${MAX_BYTES}`, file);
  }
  const nul = bytes.indexOf(0);
  if (nul >= 0) throw new InputError(`a NUL byte at offset ${nul}; expected a text file in UTF-8`, file);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new InputError('this is not UTF-8; save the file as a UTF-8 text', file);
  }
}

function boundNesting(text: string, file: string): void {
  let line = 1;
  let open = 0;
  let dashes = 0;
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (character === '\n') {
      line++;
      dashes = 0;
    } else if (character === '[' || character === '{') open++;
    else if (character === ']' || character === '}') open = Math.max(0, open - 1);
    else if (character === '-' || character === '?') dashes += /\s/.test(text[i + 1] ?? ' ') ? 1 : 0;
    if (open > MAX_OPEN || dashes > MAX_OPEN) {
      throw new InputError(`nested deeper than ${MAX_DEPTH} levels`, { file, line });
    }
  }
}

function parse(text: string, lineCounter: LineCounter) {
  return parseDocument(text, { lineCounter, schema: 'core', uniqueKeys: true, prettyErrors: false });
}

function offsetOf(node: unknown): number | undefined {
  return (node as Node | null)?.range?.[0];
}

function firstLine(message: string): string {
  return message.split('\n')[0].replace(/\s*[.:]$/, '');
}
