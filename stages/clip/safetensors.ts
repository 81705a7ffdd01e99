import type { FileHandle } from 'node:fs/promises';
import { InputError } from '../../wgsl/core/index.ts';
import {
  type Dtype,
  type Entry,
  HEADER_LIMIT,
  type Header,
  parseHeader,
  tensorPlace,
} from './safetensors-header.ts';

/** A tensor of the file; `data` is row-major and of the wider type (see `readSafetensors`). */
export interface SafeTensor {
  dtype: Dtype;
  shape: number[];
  data: Float32Array | Int32Array;
}

export interface SafetensorsFile {
  path: string;
  tensors: Map<string, SafeTensor>;
  /** The file's `__metadata__`: strings by name. */
  metadata: Record<string, string>;
}

/** Bytes per read; Node refuses single reads of 2 GiB. */
const CHUNK_BYTES = 2 ** 28;

/**
 * Reads a whole .safetensors file (https://huggingface.co/docs/safetensors, "Format"). F32, F16 and BF16 become
 * Float32Array, I32 and I64 Int32Array. Checks everything against the file size
 * before use: header length, dtypes, shapes, and that the tensors cover the data exactly, without gap or overlap.
 *
 * @throws InputError with the file, the tensor, its byte offset, the found and the expected value.
 */
export async function readSafetensors(path: string): Promise<SafetensorsFile> {
  return withFile(path, async (file, size) => {
    const header = await readHeader(file, path, size);
    const tensors = new Map<string, SafeTensor>();
    for (const entry of header.entries) {
      const bytes = await readBytes(file, path, entry.start, entry.end - entry.start);
      tensors.set(entry.name, { dtype: entry.dtype, shape: entry.shape, data: widen(bytes, entry, path) });
    }
    return { path, tensors, metadata: header.metadata };
  });
}

/** One tensor of a file whose header was read before. @throws InputError as `readSafetensors` does. */
export async function readTensor(path: string, entry: Entry): Promise<SafeTensor> {
  return withFile(path, async (file) => {
    const bytes = await readBytes(file, path, entry.start, entry.end - entry.start);
    return { dtype: entry.dtype, shape: entry.shape, data: widen(bytes, entry, path) };
  });
}

/** The header alone, checked as `readSafetensors` does. */
export async function readSafetensorsHeader(path: string): Promise<Header> {
  return withFile(path, (file, size) => readHeader(file, path, size));
}

/** @throws InputError when a tensor contains NaN or infinity. */
export function checkFinite(values: ArrayLike<number>, name: string, path: string): void {
  let [count, first] = [0, -1];
  for (let i = 0; i < values.length; i++) {
    if (Number.isFinite(values[i])) continue;
    if (!count++) first = i;
  }
  if (!count) return;
  throw new InputError(
    `tensor "${name}" has ${count} values that are not finite, the first at ${first}`,
    path,
  );
}

async function readHeader(file: FileHandle, path: string, size: number): Promise<Header> {
  if (size < 8) {
    throw new InputError(`${size} bytes long; a safetensors file starts with 8 bytes of header length`, path);
  }
  const head = await readBytes(file, path, 0, 8);
  const headerBytes = Number(new DataView(head).getBigUint64(0, true));
  if (headerBytes > Math.min(HEADER_LIMIT, size - 8)) {
    throw new InputError(
      `byte 0: a header of ${headerBytes} bytes is declared, but ${size - 8} follow (and at most ${HEADER_LIMIT} are ` +
        'allowed): the file is truncated or is not safetensors; fetch it again',
      path,
    );
  }
  return parseHeader(await readBytes(file, path, 8, headerBytes), path, size);
}

async function withFile<T>(path: string, work: (file: FileHandle, size: number) => Promise<T>): Promise<T> {
  const file = await openFile(path);
  try {
    return await work(file, (await file.stat()).size);
  } finally {
    await file.close();
  }
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    const { open } = await import('node:fs/promises');
    const file = await open(path, 'r');
    if ((await file.stat()).isFile()) return file;
    await file.close();
  } catch (error) {
    throw new InputError(`cannot be read (${(error as NodeJS.ErrnoException).code ?? error})`, path);
  }
  throw new InputError('is not a file', path);
}

async function readBytes(file: FileHandle, path: string, from: number, length: number): Promise<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; ) {
    const { bytesRead } = await file.read(bytes, at, Math.min(CHUNK_BYTES, length - at), from + at);
    if (!bytesRead) throw new InputError(`byte ${from + at}: the file ended while it was read`, path);
    at += bytesRead;
  }
  return bytes.buffer;
}

function widen(bytes: ArrayBuffer, entry: Entry, path: string): Float32Array | Int32Array {
  switch (entry.dtype) {
    case 'F32':
      return new Float32Array(bytes);
    case 'F16':
      return widenHalf(new Uint16Array(bytes));
    case 'BF16':
      return widenBfloat(new Uint16Array(bytes));
    case 'I32':
      return new Int32Array(bytes);
    case 'I64':
      return narrow(new BigInt64Array(bytes), entry, path);
  }
}

function narrow(values: BigInt64Array, entry: Entry, path: string): Int32Array {
  const narrowed = new Int32Array(values.length);
  values.forEach((value, i) => {
    narrowed[i] = Number(value);
    if (BigInt(narrowed[i]) !== value) {
      throw new InputError(
        `${tensorPlace(entry)}: value ${i} is ${value}; 32-bit integers are expected`,
        path,
      );
    }
  });
  return narrowed;
}

/**
 * 16-bit floats as safetensors stores them (IEEE binary16 and bfloat16, little endian) widened to f32. Both are subsets
 * of f32: the result is exact, infinities and NaN included.
 */

let halves: Float32Array | undefined;

/** f32 of every one of the 65,536 bit patterns of binary16. */
function halfTable(): Float32Array {
  if (halves) return halves;
  const table = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >>> 10) & 31;
    const fraction = bits & 1023;
    if (exponent === 31) table[bits] = fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
    else if (exponent === 0) table[bits] = sign * fraction * 2 ** -24;
    else table[bits] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }
  halves = table;
  return table;
}

export function widenHalf(words: Uint16Array): Float32Array {
  const table = halfTable();
  const floats = new Float32Array(words.length);
  for (let i = 0; i < words.length; i++) floats[i] = table[words[i]];
  return floats;
}

export function widenBfloat(words: Uint16Array): Float32Array {
  const bits = new Uint32Array(words.length);
  for (let i = 0; i < words.length; i++) bits[i] = words[i] << 16;
  return new Float32Array(bits.buffer);
}
