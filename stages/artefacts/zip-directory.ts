import * as zlib from 'node:zlib';
import { InputError } from '../../wgsl/core/index.ts';
import { excerpt } from './excerpt.ts';
import type { FileBytes } from './file-bytes.ts';

/** A file in an archive. */
export interface ZipEntry {
  name: string;
  /** Bytes of the contents, and as they are stored. */
  size: number;
  stored: number;
  deflated: boolean;
  crc: number;
  /** Of the stored bytes. */
  start: number;
}

/** A SOG has at most eight files. */
const MAX_ENTRIES = 256;
/** Contents up to `size` bytes, or that many times as large as stored, are no bomb. SOG's pictures do not compress further. */
const BOMB = { size: 2 ** 20, ratio: 16 };
const END = { signature: 0x06054b50, bytes: 22, comment: 65535 };
const DIRECTORY = { signature: 0x02014b50, bytes: 46 };
const LOCAL = { signature: 0x04034b50, bytes: 30 };
const ZIP64 = 0xffffffff;
const LINK = 0o120000;

/**
 * The files of a zip archive, by name, from its directory. Folders are left out. The zip reader of splat-transform checks none of the
 * conditions below, nor checksums.
 * @throws InputError for an archive that is cut short or damaged, and for one that no writer of splats makes: names that lead out of its
 * folder, links, two files of one name or at one place, encryption, contents much larger than the archive.
 */
export async function readZipDirectory(file: FileBytes): Promise<Map<string, ZipEntry>> {
  const { path, size } = file;
  const { at: end, bytes } = await findEnd(file);
  const [count, length, start] = [bytes.readUInt16LE(10), bytes.readUInt32LE(12), bytes.readUInt32LE(16)];
  if (count > MAX_ENTRIES)
    throw fail(path, end, `declares ${count} files, at most ${MAX_ENTRIES} are expected`);
  if (start + length > end) {
    const found = `puts the directory at bytes ${start} to ${start + length}, and it must end before ${end}`;
    throw fail(path, end, `${found}; the archive is cut short or damaged: copy it again`);
  }
  const directory = await file.at(start, length);
  const entries = new Map<string, ZipEntry>();
  const names = new Set<string>();
  let at = 0;
  for (let i = 0; i < count; i++) {
    const place = start + at;
    const record = directory.subarray(at);
    if (record.length < DIRECTORY.bytes || record.readUInt32LE(0) !== DIRECTORY.signature)
      throw fail(path, place, `is no record of file ${i} of ${count}; the archive is damaged: copy it again`);
    const [flags, method, crc] = [record.readUInt16LE(8), record.readUInt16LE(10), record.readUInt32LE(16)];
    const [stored, contents] = [record.readUInt32LE(20), record.readUInt32LE(24)];
    const [nameBytes, extra, comment] = [28, 30, 32].map((offset) => record.readUInt16LE(offset));
    const mode = record.readUInt32LE(38) >>> 16;
    const offset = record.readUInt32LE(42);
    const name = record.toString('utf8', DIRECTORY.bytes, DIRECTORY.bytes + nameBytes);
    at += DIRECTORY.bytes + nameBytes + extra + comment;
    const refuse = (why: string) => fail(path, place, `the file ${excerpt(name)} ${why}`);
    if (at > length) throw refuse('has a record that is cut short; copy the archive again');
    if (leadsOut(name))
      throw refuse('has a name that leads out of the archive; do not open archives of this origin');
    if (names.has(name)) throw refuse('is in the archive twice; write the archive again');
    names.add(name);
    if ((mode & 0o170000) === LINK) throw refuse('is a link; put the file itself into the archive');
    if (flags & 1) throw refuse('is encrypted; write the archive without a password');
    if (method !== 0 && method !== 8) throw refuse(`is compressed by method ${method}; use store or deflate`);
    if ([stored, contents, offset].includes(ZIP64))
      throw refuse('is recorded in zip64, which is not supported');
    if (method === 0 && stored !== contents)
      throw refuse(
        `is stored in ${stored} bytes and declares ${contents}; the archive is damaged: copy it again`,
      );
    if (contents > BOMB.size && contents > BOMB.ratio * stored)
      throw refuse(
        `declares ${contents} bytes from ${stored} stored ones, more than a splat's files expand to`,
      );
    if (name.endsWith('/')) continue;
    const begin = await dataStart(file, offset, name, refuse);
    if (begin + stored > start)
      throw refuse(`ends at byte ${begin + stored} of ${size}, beyond the files; copy the archive again`);
    entries.set(name, { name, size: contents, stored, deflated: method === 8, crc, start: begin });
  }
  checkApart(path, [...entries.values()]);
  return entries;
}

/** The contents of a file of the archive. @throws InputError when they are damaged or larger than declared. */
export async function readZipEntry(file: FileBytes, entry: ZipEntry): Promise<Buffer> {
  const { name, size, stored, deflated, crc, start } = entry;
  const refuse = (why: string) =>
    fail(file.path, start, `the file ${excerpt(name)} ${why}; the archive is damaged: copy it again`);
  const bytes = await file.at(start, stored);
  let contents = bytes;
  if (deflated) {
    try {
      // Contents of no bytes are still given one: zlib takes no limit of 0.
      contents = zlib.inflateRawSync(bytes, { maxOutputLength: Math.max(1, size) });
    } catch (error) {
      const isLarger = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
      throw refuse(isLarger ? `is larger than the ${size} bytes that it declares` : 'cannot be decompressed');
    }
  }
  if (contents.length !== size) throw refuse(`has ${contents.length} bytes, and declares ${size}`);
  // Node has it from 20.15 on.
  if ('crc32' in zlib && zlib.crc32(contents) !== crc) throw refuse('has another checksum than its record');
  return contents;
}

/** Whether a path does not stay below its folder, on any system. */
export function leadsOut(path: string): boolean {
  return /^([/\\]|[A-Za-z]:)|(^|[/\\])\.\.([/\\]|$)/.test(path) || path.includes('\0');
}

/** The record at the end of the archive, and where it is. */
async function findEnd({ path, size, at }: FileBytes): Promise<{ at: number; bytes: Buffer }> {
  const from = Math.max(0, size - END.bytes - END.comment);
  const tail = await at(from, size - from);
  for (let i = tail.length - END.bytes; i >= 0; i--) {
    if (tail.readUInt32LE(i) === END.signature) return { at: from + i, bytes: tail.subarray(i) };
  }
  throw new InputError('has no directory of a zip archive at its end; it is cut short, or no archive', path);
}

async function dataStart(
  file: FileBytes,
  offset: number,
  name: string,
  refuse: (why: string) => InputError,
): Promise<number> {
  const length = LOCAL.bytes + Buffer.byteLength(name);
  const header = await file.at(offset, length);
  const isHeader = header.length === length && header.readUInt32LE(0) === LOCAL.signature;
  if (!isHeader || header.toString('utf8', LOCAL.bytes) !== name)
    throw refuse(`is not at byte ${offset}, where its record says; the archive is damaged: copy it again`);
  return offset + LOCAL.bytes + header.readUInt16LE(26) + header.readUInt16LE(28);
}

/** Files that share bytes make an archive expand without limit. */
function checkApart(path: string, entries: ZipEntry[]): void {
  entries.sort((a, b) => a.start - b.start);
  for (const [i, { name, start }] of entries.entries()) {
    const before = entries[i - 1];
    if (before && before.start + before.stored > start)
      throw fail(
        path,
        start,
        `the files ${excerpt(before.name)} and ${excerpt(name)} overlap; the archive is damaged`,
      );
  }
}

function fail(path: string, byte: number, message: string): InputError {
  return new InputError(`byte ${byte}: ${message}`, path);
}
