import { InputError } from '../../../wgsl/core/index.ts';

/**
 * Reads a little-endian binary file from memory. Every read is bounds-checked and named, and every count is
 * checked against the remaining bytes. Errors have the file and the byte.
 */
export class ByteReader {
  readonly file: string;
  readonly #view: DataView;
  #offset = 0;

  constructor(file: string, bytes: Uint8Array) {
    this.file = file;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get offset(): number {
    return this.#offset;
  }

  get remaining(): number {
    return this.#view.byteLength - this.#offset;
  }

  u8(what: string): number {
    return this.#view.getUint8(this.#take(1, what));
  }

  u32(what: string): number {
    return this.#view.getUint32(this.#take(4, what), true);
  }

  f64(what: string): number {
    return this.#view.getFloat64(this.#take(8, what), true);
  }

  /** An f64 that must be finite. */
  finite(what: string): number {
    const value = this.f64(what);
    if (!Number.isFinite(value)) throw this.error(`${what} is ${value}, expected a finite number`, 8);
    return value;
  }

  /** A u64 as a number. Ids above 2^53 lose digits, which is harmless here. */
  u64(what: string): number {
    return Number(this.#view.getBigUint64(this.#take(8, what), true));
  }

  /** A u64 count of records of at least `recordBytes` each, checked against the rest of the file. */
  count(what: string, recordBytes: number): number {
    const value = this.#view.getBigUint64(this.#take(8, what), true);
    const maximum = Math.floor(this.remaining / recordBytes);
    if (value > BigInt(maximum)) {
      throw this.error(
        `declares ${value} ${what}, but only ${this.remaining} bytes follow, room for ${maximum} at most; ` +
          'the file is cut short or damaged: copy it again or export the model again',
        8,
      );
    }
    return Number(value);
  }

  /** Bytes up to a NUL, as UTF-8. */
  name(what: string): string {
    const start = this.#offset;
    const rest = new Uint8Array(this.#view.buffer, this.#view.byteOffset + start, this.remaining);
    const length = rest.indexOf(0);
    if (length < 0) throw this.error(`${what} has no end (no NUL byte follows)`);
    this.#offset += length + 1;
    return new TextDecoder().decode(rest.subarray(0, length));
  }

  skip(bytes: number, what: string): void {
    this.#take(bytes, what);
  }

  /** The file must end here. */
  end(records: string): void {
    if (this.remaining > 0) {
      throw this.error(`${this.remaining} bytes follow the last of the ${records}; the file is damaged`);
    }
  }

  /** An error at the current byte, or `back` bytes before it. */
  error(message: string, back = 0): InputError {
    return new InputError(`byte ${this.#offset - back}: ${message}`, this.file);
  }

  #take(bytes: number, what: string): number {
    if (bytes > this.remaining) {
      throw this.error(
        `the file ends in the middle of ${what} (${bytes} bytes expected, ${this.remaining} left); ` +
          'it is cut short: copy it again or export the model again',
      );
    }
    const at = this.#offset;
    this.#offset += bytes;
    return at;
  }
}
