import { InputError } from '../../../wgsl/core/index.ts';
import { excerpt } from '../../artefacts/excerpt.ts';

const LINE_FEED = 10;
const MAX_LINE_BYTES = 64 * 2 ** 20;

export interface TextLine {
  /** From 1. */
  number: number;
  text: string;
}

/**
 * Iterates over the lines of a COLMAP text file. Decodes one line at a time, so that a large file never becomes one string;
 * skipped lines are not decoded.
 */
export class TextReader {
  readonly file: string;
  readonly #bytes: Uint8Array;
  readonly #decoder = new TextDecoder();
  #offset = 0;
  #number = 0;

  constructor(file: string, bytes: Uint8Array) {
    this.file = file;
    this.#bytes = bytes;
  }

  /** The next line that is neither empty nor a comment, trimmed. */
  next(): TextLine | undefined {
    while (this.#offset < this.#bytes.length) {
      const [start, end] = this.#advance();
      if (end - start > MAX_LINE_BYTES) {
        throw this.error(
          this.#number,
          `a line of ${end - start} bytes; expected a COLMAP text file with one record a line`,
        );
      }
      const text = this.#decoder.decode(this.#bytes.subarray(start, end)).trim();
      if (text && !text.startsWith('#')) return { number: this.#number, text };
    }
    return undefined;
  }

  /** Skips the next line, even an empty one (an image without 2D points). */
  skipLine(): void {
    if (this.#offset < this.#bytes.length) this.#advance();
  }

  error(line: number, message: string): InputError {
    return new InputError(message, { file: this.file, line });
  }

  /** Splits a record at blanks into at most `maxFields` fields (the last keeps its blanks), at least `minFields`. */
  fields(line: TextLine, minFields: number, layout: string, maxFields = Number.POSITIVE_INFINITY): string[] {
    const parts: string[] = [];
    let rest = line.text;
    while (rest && parts.length < maxFields - 1) {
      const field = /^\S+/.exec(rest)![0];
      parts.push(field);
      rest = rest.slice(field.length).trimStart();
    }
    if (rest) parts.push(rest);
    if (parts.length < minFields) {
      throw this.error(line.number, `has ${parts.length} fields, expected at least ${minFields}: ${layout}`);
    }
    return parts;
  }

  finite(line: TextLine, field: string, what: string): number {
    const value = Number(field);
    if (!Number.isFinite(value)) {
      throw this.error(line.number, `${what} is ${excerpt(field)}, expected a finite number`);
    }
    return value;
  }

  integer(line: TextLine, field: string, what: string, max = Number.MAX_SAFE_INTEGER): number {
    const value = Number(field);
    if (!/^\d+$/.test(field) || value > max) {
      throw this.error(line.number, `${what} is ${excerpt(field)}, expected an integer from 0 to ${max}`);
    }
    return value;
  }

  #advance(): [start: number, end: number] {
    const start = this.#offset;
    const found = this.#bytes.indexOf(LINE_FEED, start);
    const end = found < 0 ? this.#bytes.length : found;
    this.#offset = end + 1;
    this.#number++;
    return [start, end];
  }
}
