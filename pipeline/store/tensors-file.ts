import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { z } from 'zod';
import { type FileContents, HASH_BYTES } from '../hash.ts';
import { DamagedError } from './record.ts';

/**
 * Raw bytes by name in the safetensors layout (https://huggingface.co/docs/safetensors, "Format"), each a U8 tensor of one
 * dimension, so that Python opens it too. Written and read in pieces, with the event loop's turn between them.
 */
export interface TensorsFile {
  metadata: Record<string, string>;
  tensors: Record<string, Uint8Array>;
}

const METADATA = '__metadata__';
const HEADER_LIMIT = 2 ** 20;

const headerSchema = z.record(
  z.string(),
  z.union([
    z.object({
      dtype: z.literal('U8'),
      shape: z.tuple([z.int().nonnegative()]),
      data_offsets: z.tuple([z.int().nonnegative(), z.int().nonnegative()]),
    }),
    z.record(z.string(), z.string()),
  ]),
);

/** Writes a new file and syncs it. Gives its size and sha256. The bytes must not change meanwhile. */
export async function writeTensors(path: string, { metadata, tensors }: TensorsFile): Promise<FileContents> {
  const handle = await open(path, 'wx');
  try {
    const hash = createHash('sha256');
    let bytes = 0;
    for (const part of [headerOf(metadata, tensors), ...Object.values(tensors)]) {
      for (let at = 0; at < part.length; at += HASH_BYTES) {
        const chunk = part.subarray(at, at + HASH_BYTES);
        const written = writeAll(handle, chunk, bytes);
        hash.update(chunk); // while the disk writes
        await written;
        bytes += chunk.length;
      }
    }
    await handle.sync();
    return { bytes, sha256: hash.digest('hex') };
  } finally {
    await handle.close();
  }
}

/**
 * Reads what `writeTensors` wrote, each tensor into memory of its own. @throws DamagedError where size, hash or layout are
 * not as expected; the system's error where the file cannot be read.
 */
export async function readTensors(path: string, expected: FileContents): Promise<TensorsFile> {
  const handle = await open(path, 'r');
  try {
    const { size } = await handle.stat();
    if (size !== expected.bytes) {
      throw new DamagedError(`${path} is ${size} bytes long; ${expected.bytes} are expected`);
    }
    const hash = createHash('sha256');
    const length = await readAll(handle, hash, 0, Math.min(8, size));
    const headerBytes = length.length === 8 ? Number(new DataView(length.buffer).getBigUint64(0, true)) : 0;
    if (!headerBytes || headerBytes > Math.min(HEADER_LIMIT, size - 8)) {
      throw new DamagedError(`${path}: byte 0: a header of ${headerBytes} bytes is announced`);
    }
    const header = parseHeader(await readAll(handle, hash, 8, headerBytes), path);
    const tensors: TensorsFile['tensors'] = {};
    let at = 8 + headerBytes;
    for (const [name, bytes] of header.sizes) {
      if (bytes > size - at) throw new DamagedError(`${path}: ${name} leads beyond the end of the file`);
      tensors[name] = await readAll(handle, hash, at, bytes);
      at += bytes;
    }
    const found = hash.digest('hex');
    if (at !== size || found !== expected.sha256) {
      throw new DamagedError(`${path} has sha256 ${found}; ${expected.sha256} is expected`);
    }
    return { metadata: header.metadata, tensors };
  } finally {
    await handle.close();
  }
}

/** The length of the JSON as u64, then the JSON, padded with blanks to a multiple of 8. */
function headerOf(metadata: Record<string, string>, tensors: TensorsFile['tensors']): Uint8Array {
  let offset = 0;
  const entries = Object.entries(tensors).map(([name, { length }]) => {
    if (name === METADATA) throw new Error(`a tensor cannot be called ${name}`);
    const start = offset;
    offset += length;
    return [name, { dtype: 'U8', shape: [length], data_offsets: [start, offset] }] as const;
  });
  const text = new TextEncoder().encode(
    JSON.stringify({ [METADATA]: metadata, ...Object.fromEntries(entries) }),
  );
  const padded = Math.ceil(text.length / 8) * 8;
  if (padded > HEADER_LIMIT)
    throw new Error(`a header of ${padded} bytes; at most ${HEADER_LIMIT} are written`);
  const header = new Uint8Array(8 + padded).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(padded), true);
  header.set(text, 8);
  return header;
}

/** Tensors in the order of the file, which has no gap between them. */
function parseHeader(bytes: Uint8Array, path: string) {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw new DamagedError(`${path}: byte 8: the header is not JSON: ${(error as Error).message}`);
  }
  const parsed = headerSchema.safeParse(json);
  if (!parsed.success) throw new DamagedError(`${path}: byte 8: ${parsed.error.issues[0].message}`);
  const { [METADATA]: metadata = {}, ...rest } = parsed.data;
  let offset = 0;
  const sizes: [string, number][] = [];
  for (const [name, tensor] of Object.entries(rest)) {
    if (!isTensor(tensor) || tensor.data_offsets[0] !== offset) {
      throw new DamagedError(`${path}: ${name} does not begin at ${offset}`);
    }
    const [start, end] = tensor.data_offsets;
    if (end - start !== tensor.shape[0])
      throw new DamagedError(`${path}: ${name} is not ${tensor.shape[0]} long`);
    sizes.push([name, end - start]);
    offset = end;
  }
  if (isTensor(metadata)) throw new DamagedError(`${path}: ${METADATA} is a tensor`);
  return { metadata, sizes };
}

type HeaderValue = z.infer<typeof headerSchema>[string];

function isTensor(value: HeaderValue): value is Extract<HeaderValue, { shape: unknown }> {
  return Array.isArray(value.shape);
}

async function writeAll(handle: FileHandle, chunk: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < chunk.length; ) {
    done += (await handle.write(chunk, done, chunk.length - done, at + done)).bytesWritten;
  }
}

async function readAll(
  handle: FileHandle,
  hash: Hash,
  at: number,
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await handle.read(bytes, done, Math.min(HASH_BYTES, length - done), at + done);
    if (!bytesRead) throw new DamagedError(`the file ended at byte ${at + done} while it was read`);
    hash.update(bytes.subarray(done, done + bytesRead));
    done += bytesRead;
  }
  return bytes;
}
