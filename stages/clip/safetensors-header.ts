import { InputError } from '../../wgsl/core/index.ts';
import { excerpt } from '../artefacts/excerpt.ts';

/** Limit on the JSON header, from the format's reference implementation. */
export const HEADER_LIMIT = 100_000_000;

const DTYPE_BYTES = { F32: 4, F16: 2, BF16: 2, I32: 4, I64: 8 } as const;
export type Dtype = keyof typeof DTYPE_BYTES;

/** A tensor's place in the file: byte offsets `start` and `end`. */
export interface Entry {
  name: string;
  dtype: Dtype;
  shape: number[];
  start: number;
  end: number;
}

export interface Header {
  entries: Entry[];
  metadata: Record<string, string>;
}

/** `tensor "x" at byte 123`, for messages. */
export function tensorPlace({ name, start }: { name: string; start: number }): string {
  return `tensor ${JSON.stringify(name)} at byte ${start}`;
}

/** Parses and checks the JSON header of a file of `size` bytes. `readSafetensors` lists the guarantees. */
export function parseHeader(bytes: ArrayBuffer, path: string, size: number): Header {
  const dataStart = 8 + bytes.byteLength;
  const metadata: Record<string, string> = {};
  const entries: Entry[] = [];
  for (const [name, value] of Object.entries(parseObject(bytes, path))) {
    if (name === '__metadata__') {
      for (const [key, text] of Object.entries(isObject(value) ? value : {}))
        metadata[key] = typeof text === 'string' ? text : excerpt(text);
    } else entries.push(parseEntry(name, value, path, dataStart, size));
  }
  entries.sort((a, b) => a.start - b.start || a.end - b.end);
  let end = dataStart;
  for (const entry of entries) {
    if (entry.start !== end) {
      const fault = entry.start < end ? 'overlaps the tensor before it, which ends' : 'leaves a gap after';
      throw new InputError(
        `${tensorPlace(entry)} ${fault} at byte ${end}; tensors must follow each other`,
        path,
      );
    }
    end = entry.end;
  }
  if (end !== size) {
    throw new InputError(
      `the tensors end at byte ${end} but the file at ${size}; fetch the file again`,
      path,
    );
  }
  return { entries, metadata };
}

function parseObject(bytes: ArrayBuffer, path: string): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw new InputError(
      `bytes 8–${8 + bytes.byteLength}: the header is not JSON: ${(error as Error).message}`,
      path,
    );
  }
  if (!isObject(parsed)) throw new InputError('byte 8: the header is not a JSON object of tensors', path);
  return parsed;
}

function parseEntry(name: string, value: unknown, path: string, dataStart: number, size: number): Entry {
  const fail = (message: string) => new InputError(`tensor ${JSON.stringify(name)}: ${message}`, path);
  if (!isObject(value)) throw fail('its entry in the header is not an object');
  const { dtype, shape, data_offsets: offsets } = value;
  if (!isDtype(dtype)) {
    throw fail(`dtype ${excerpt(dtype)} is not one of ${Object.keys(DTYPE_BYTES).join(', ')}`);
  }
  if (!isCounts(shape)) throw fail(`shape ${excerpt(shape)} is not a list of counts`);
  if (!isCounts(offsets) || offsets.length !== 2) {
    throw fail(`data_offsets ${excerpt(offsets)} are not [begin, end]`);
  }
  const [start, end] = offsets.map((offset) => dataStart + offset);
  if (start > end || end > size) {
    throw fail(`is at bytes ${start}–${end}, but the file has ${size}: it is truncated; fetch it again`);
  }
  const bytes = shape.reduce((count, length) => count * length, DTYPE_BYTES[dtype] as number);
  if (bytes !== end - start) {
    throw fail(
      `at byte ${start}: ${dtype} [${shape}] takes ${bytes} bytes, data_offsets span ${end - start}`,
    );
  }
  return { name, dtype, shape, start, end };
}

function isDtype(value: unknown): value is Dtype {
  return typeof value === 'string' && Object.hasOwn(DTYPE_BYTES, value);
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((count) => Number.isSafeInteger(count) && count >= 0);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
