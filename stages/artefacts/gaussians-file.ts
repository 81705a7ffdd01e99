import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { basename } from 'node:path';
import { type Gpu, InputError } from '../../wgsl/core/index.ts';
import {
  assertFinite,
  emptyGaussians,
  GAUSSIAN_PARAMETERS,
  type Gaussians,
  type HostGaussians,
  notFinite,
  parameterWidths,
  readGaussians,
  uploadGaussians,
} from './gaussians.ts';
import type { SavedPart } from './saved-part.ts';

/**
 * The exact format of saved splats: the five f32 tensors as they are on the GPU, in the safetensors layout, which Python opens
 * too. Count, degree and antialias determine every byte of the header, so the reader checks it by generating it again.
 */
const FORMAT = 'splatline gaussians 1';
const MAX_HEADER_BYTES = 4096;
const CHUNK_BYTES = 2 ** 28; // Node refuses single reads and writes of 2 GiB
const DEGREES = [0, 1, 2, 3] as const;

/**
 * Writes the splat to `path`; the file appears complete or not at all. Equal splats give equal bytes.
 * @throws Error, and writes nothing, when a value is NaN or infinite.
 */
export async function saveGaussians(gpu: Gpu, gaussians: Gaussians, path: string): Promise<void> {
  const host = await readGaussians(gpu, gaussians, 'checkpoints');
  assertFinite(host, path);
  const partial = `${path}.partial`;
  try {
    const file = await open(partial, 'w');
    try {
      await writeAll(file, headerOf(host));
      for (const name of GAUSSIAN_PARAMETERS) await writeAll(file, new Uint8Array(host[name].buffer));
    } finally {
      await file.close();
    }
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

/** Loads what `saveGaussians` wrote. @throws InputError as `readSavedGaussians` does, or when this adapter cannot hold it. */
export async function loadGaussians(gpu: Gpu, path: string): Promise<Gaussians> {
  return uploadGaussians(gpu, 'gaussians', await readSavedGaussians(path), 'checkpoints');
}

/** Reads what `saveGaussians` wrote. @throws InputError on a file that is truncated, damaged or of another format. */
export async function readSavedGaussians(path: string): Promise<HostGaussians> {
  const file = await open(path).catch((error: Error) => {
    throw new InputError(`cannot be opened: ${error.message}`, path);
  });
  try {
    const { size } = await file.stat();
    const { count, shDegree, antialias, bytes } = await readHeader(file, path, size);
    const widths = parameterWidths(shDegree);
    const floats = GAUSSIAN_PARAMETERS.reduce((sum, name) => sum + widths[name], 0);
    const expected = bytes + 4 * count * floats;
    if (size !== expected) {
      throw new InputError(
        `is ${size} bytes long, but ${count} Gaussians of SH degree ${shDegree} take ${expected}; ` +
          'delete it and run the stage again',
        path,
      );
    }
    const host = emptyGaussians(count, shDegree, antialias);
    let at = bytes;
    for (const name of GAUSSIAN_PARAMETERS) {
      at += await readAll(file, path, new Uint8Array(host[name].buffer), at);
    }
    const broken = notFinite(host);
    if (broken) throw new InputError(`${broken}; delete it and run the stage again`, path);
    return host;
  } finally {
    await file.close();
  }
}

/** The five tensors in what `saveGaussians` wrote. @throws InputError as `loadGaussians` does. */
export async function gaussiansParts(path: string): Promise<SavedPart[]> {
  const file = await open(path);
  try {
    const { count, shDegree, bytes } = await readHeader(file, path, (await file.stat()).size);
    const widths = parameterWidths(shDegree);
    let end = bytes;
    return GAUSSIAN_PARAMETERS.map((name) => {
      const start = end;
      end += 4 * widths[name] * count;
      return { name, file: basename(path), start, end };
    });
  } finally {
    await file.close();
  }
}

/** The length of the JSON as u64, then the JSON, padded with spaces to a multiple of 8. */
function headerOf({
  count,
  shDegree,
  antialias,
}: Pick<Gaussians, 'count' | 'shDegree' | 'antialias'>): Uint8Array {
  const bands = (shDegree + 1) ** 2;
  const shapes = {
    means: [count, 3],
    logScales: [count, 3],
    quats: [count, 4],
    opacityLogits: [count],
    sh: [count, bands, 3],
  };
  let offset = 0;
  const tensors = GAUSSIAN_PARAMETERS.map((name) => {
    const shape = shapes[name];
    const start = offset;
    offset += 4 * shape.reduce((a, b) => a * b, 1);
    return [name, { dtype: 'F32', shape, data_offsets: [start, offset] }] as const;
  });
  const metadata = {
    format: FORMAT,
    count: String(count),
    shDegree: String(shDegree),
    ...(antialias && { antialias: 'true' }),
  };
  const json = JSON.stringify({ __metadata__: metadata, ...Object.fromEntries(tensors) });
  const text = new TextEncoder().encode(json.padEnd(Math.ceil(json.length / 8) * 8));
  const header = new Uint8Array(8 + text.length);
  new DataView(header.buffer).setBigUint64(0, BigInt(text.length), true);
  header.set(text, 8);
  return header;
}

async function readHeader(file: FileHandle, path: string, size: number) {
  const head = new Uint8Array(Math.min(size, MAX_HEADER_BYTES));
  await readAll(file, path, head, 0);
  const found = new TextDecoder().decode(head);
  const count = Number(/"count":"(\d{1,10})"/.exec(found)?.[1]);
  const shDegree = DEGREES.find((degree) => found.includes(`"shDegree":"${degree}"`));
  const antialias = found.includes('"antialias":"true"');
  const header =
    shDegree !== undefined && Number.isInteger(count) ? headerOf({ count, shDegree, antialias }) : undefined;
  if (!header || shDegree === undefined || header.some((byte, i) => head[i] !== byte)) {
    throw new InputError(
      `byte 0: is not a saved splat ("${FORMAT}"), or damaged; delete it and run the stage again`,
      path,
    );
  }
  return { count, shDegree, antialias, bytes: header.length };
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
    await file.writeFile(bytes.subarray(at, at + CHUNK_BYTES));
  }
}

/** Fills `into` from byte `at` of the file; returns the number of bytes read. */
async function readAll(file: FileHandle, path: string, into: Uint8Array, at: number): Promise<number> {
  let done = 0;
  while (done < into.length) {
    const { bytesRead } = await file.read(into, done, Math.min(CHUNK_BYTES, into.length - done), at + done);
    if (!bytesRead) throw new InputError(`byte ${at + done}: the file ends early`, path);
    done += bytesRead;
  }
  return done;
}
