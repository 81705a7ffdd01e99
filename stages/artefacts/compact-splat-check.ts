import { createReadStream } from 'node:fs';
import { constants, createGunzip, gunzipSync } from 'node:zlib';
import { InputError } from '../../wgsl/core/index.ts';
import type { FileBytes } from './file-bytes.ts';

/* Checks of the counts in compact splat files against their sizes: their library allocates what a header declares. */

/** Compressed contents of a splat are no bomb up to this ratio, deflate's largest. */
const RATIO = 1032;
const SH_VALUES = [0, 9, 24, 45];

/** A .splat is rows of 32 bytes. @throws InputError */
export function checkSplat({ path, size }: FileBytes): void {
  if (size > 0 && size % 32 === 0) return;
  throw new InputError(`is ${size} bytes long; a .splat has 32 bytes for each Gaussian: copy it again`, path);
}

const GZIP = 0x8b1f;
const NGSP = 0x5053474e;
/** Bytes of the header of versions 1 to 3, and of version 4, which has a table of zstd streams. */
const SPZ = { header: 16, header4: 32, streamRow: 16, lastVersion: 4, extensions: 2 ** 20 };

/**
 * The bytes of a .spz. @throws InputError when the header does not fit the file, or gzip expands to another size than it declares, before
 * memory is allocated for that.
 */
export async function readSpz(file: FileBytes): Promise<Buffer> {
  const { path, size } = file;
  const { expected, isZipped } = await checkSpz(file);
  const bytes = await file.at(0, size);
  if (!isZipped) return bytes;
  const limit = expected + SPZ.extensions;
  try {
    const contents = gunzipSync(bytes, { maxOutputLength: limit });
    if (contents.length >= expected) return bytes;
    const found = `expands to ${contents.length} bytes, and its header declares ${expected}`;
    throw new InputError(`${found}; it is damaged: copy it again`, path);
  } catch (error) {
    if (error instanceof InputError) throw error;
    const isLarger = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
    const found = isLarger
      ? `expands to more than the ${expected} bytes that its header declares`
      : 'is damaged gzip';
    throw new InputError(`${found}; copy it again`, path);
  }
}

/** Checks the header of a .spz against its size. Gives the bytes of its contents. @throws InputError */
export async function checkSpz(file: FileBytes): Promise<{ expected: number; isZipped: boolean }> {
  const { path, size } = file;
  const fail = (byte: number, message: string) =>
    new InputError(`byte ${byte}: ${message}; the file is damaged: copy it again`, path);
  const first = await file.at(0, SPZ.header4);
  const isZipped = first.length >= 2 && first.readUInt16LE(0) === GZIP;
  const head = isZipped ? await firstUnzipped(path) : first;
  if (head.length < SPZ.header || head.readUInt32LE(0) !== NGSP)
    throw new InputError('does not begin as a .spz; expected "NGSP", or gzip with it', path);
  const [version, count, degree] = [head.readUInt32LE(4), head.readUInt32LE(8), head[12]];
  if (version < 1 || version > SPZ.lastVersion)
    throw fail(4, `the version is ${version}, expected 1 to ${SPZ.lastVersion}`);
  if (count === 0) throw fail(8, 'declares 0 Gaussians, expected at least one');
  if (degree >= SH_VALUES.length) throw fail(12, `the SH degree is ${degree}, expected 0 to 3`);
  const widths = [version === 1 ? 6 : 9, 1, 3, 3, version > 2 ? 4 : 3, SH_VALUES[degree]];
  const expected = SPZ.header + count * widths.reduce((sum, width) => sum + width, 0);
  if (version === SPZ.lastVersion && !isZipped) {
    await checkStreams(
      file,
      head,
      widths.filter(Boolean).map((width) => width * count),
      fail,
    );
  } else if (expected > (isZipped ? RATIO * size : size)) {
    throw fail(8, `declares ${count} Gaussians, ${expected} bytes, and the file has ${size}`);
  }
  return { expected, isZipped };
}

/** The table of streams of version 4 must fit the file and the count. */
async function checkStreams(
  file: FileBytes,
  head: Buffer,
  sizes: readonly number[],
  fail: (byte: number, message: string) => InputError,
): Promise<void> {
  if (head.length < SPZ.header4) throw fail(head.length, 'the header is cut short');
  const [streams, start] = [head[15], head.readUInt32LE(16)];
  const bytes = streams * SPZ.streamRow;
  const table = await file.at(start, bytes);
  if (streams < sizes.length || table.length < bytes)
    throw fail(
      15,
      `declares ${streams} streams at byte ${start}, expected at least ${sizes.length} in the file`,
    );
  let end = BigInt(start + bytes);
  for (let i = 0; i < streams; i++) {
    const at = SPZ.streamRow * i;
    const [stored, contents] = [table.readBigUInt64LE(at), table.readBigUInt64LE(at + 8)];
    end += stored;
    if (end > BigInt(file.size)) throw fail(start + at, `stream ${i} ends at byte ${end} of ${file.size}`);
    if (i < sizes.length && contents !== BigInt(sizes[i]))
      throw fail(start + at + 8, `stream ${i} declares ${contents} bytes, and the count needs ${sizes[i]}`);
    if (contents > BigInt(SPZ.extensions) && contents > BigInt(RATIO) * stored)
      throw fail(start + at + 8, `stream ${i} declares ${contents} bytes from ${stored} stored ones`);
  }
}

/** The first bytes of what a gzipped file expands to; none if it is damaged. */
async function firstUnzipped(path: string): Promise<Buffer> {
  const source = createReadStream(path, { end: 2 ** 16 - 1 });
  const unzip = createGunzip({ finishFlush: constants.Z_SYNC_FLUSH });
  source.once('error', (error) => unzip.destroy(error));
  try {
    for await (const chunk of source.pipe(unzip)) return chunk as Buffer;
  } catch {
    // Reading the whole file reports the damage.
  } finally {
    source.destroy();
  }
  return Buffer.alloc(0);
}

const KSPLAT = { header: 4096, section: 1024 };
/** Bytes of a Gaussian without SH, and of one SH value, by the level of compression. */
const KSPLAT_LEVELS = [
  { row: 44, sh: 4 },
  { row: 24, sh: 2 },
  { row: 24, sh: 1 },
];

/** Checks every count of a .ksplat, in the terms of its library's reader. @throws InputError with the byte. */
export async function checkKsplat(file: FileBytes): Promise<void> {
  const { path, size } = file;
  const fail = (byte: number, message: string) =>
    new InputError(`byte ${byte}: ${message}; the file is damaged: copy it again`, path);
  const header = await file.at(0, KSPLAT.header);
  if (header.length < KSPLAT.header)
    throw new InputError(
      `is ${size} bytes long; a .ksplat has a header of ${KSPLAT.header}: copy it again`,
      path,
    );
  if (header[0] !== 0 || header[1] < 1)
    throw fail(0, `the version is ${header[0]}.${header[1]}, expected 0.1`);
  const [sections, count, level] = [header.readUInt32LE(4), header.readUInt32LE(16), header.readUInt16LE(20)];
  if (level >= KSPLAT_LEVELS.length) throw fail(20, `the level of compression is ${level}, expected 0 to 2`);
  const { row, sh } = KSPLAT_LEVELS[level];
  let data = KSPLAT.header + KSPLAT.section * sections;
  if (data > size) throw fail(4, `declares ${sections} sections, and the file has ${size} bytes`);
  if (!count || count > (size - data) / row)
    throw fail(16, `declares ${count} Gaussians of at least ${row} bytes, and ${size - data} bytes follow`);
  let found = 0;
  for (let i = 0; i < sections; i++) {
    const at = KSPLAT.header + KSPLAT.section * i;
    const section = await file.at(at, KSPLAT.section);
    const [used, allocated, capacity, buckets] = [0, 4, 8, 12].map((offset) => section.readUInt32LE(offset));
    const [stored, full, partial] = [
      section.readUInt16LE(20),
      section.readUInt32LE(32),
      section.readUInt32LE(36),
    ];
    const degree = section.readUInt16LE(40);
    if (degree >= SH_VALUES.length)
      throw fail(at + 40, `section ${i} has the SH degree ${degree}, expected 0 to 3`);
    const centers = data + 4 * partial;
    const rows = centers + stored * buckets;
    const end = rows + (row + sh * SH_VALUES[degree]) * allocated;
    if (used > allocated) throw fail(at, `section ${i} uses ${used} of ${allocated} Gaussians`);
    if (end > size || centers + 12 * buckets > size)
      throw fail(at + 4, `section ${i} ends at byte ${end}, and the file has ${size}`);
    if (data % 4) throw fail(at, `section ${i} begins at byte ${data}, expected a multiple of 4`);
    if (level > 0 && (full + partial > buckets || (full > 0 && capacity === 0)))
      throw fail(
        at + 32,
        `section ${i} uses ${full + partial} of ${buckets} buckets of ${capacity} Gaussians`,
      );
    found += used;
    data = end;
  }
  if (found !== count) throw fail(16, `declares ${count} Gaussians, and its sections have ${found}`);
}
