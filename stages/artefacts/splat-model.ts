import { constants, gunzipSync } from 'node:zlib';
import { PLY_HEADER_LIMIT } from './ply-header.ts';
import type { ReadSource, SplatTransform } from './splat-transform.ts';

/** The comment that marks the .ply of a splat with antialiasing, as Brush, splat-transform and the PlayCanvas engine write it. */
export const ANTIALIAS_COMMENT = 'SplatRenderMode: mip';
/** Brush and splat-transform; Postshot, in two versions. The last line of these counts. */
const PLY_COMMENT =
  /^comment\s+(?:splatrendermode:\s*(\w+)|(?:postshot\.anti_aliasing|antialiased)[\s=]+(\d))\s*$/i;
/** Of a .spz's header: magic, version, count (u32 each), SH degree, fractional bits, flags, reserved (u8 each). */
const SPZ_HEADER = { bytes: 16, flags: 14, antialiased: 1 };
/** Compressed bytes that hold the header of any gzipped .spz. */
const GZIP_PREFIX = 65536;
const MAX_META_BYTES = 2 ** 20;

/**
 * Whether a splat file says that its splat was trained with Mip-Splatting's 2D filter: a comment of a .ply, the header's flag of a
 * .spz, `model` in the meta.json of a SOG. Other formats have no such mark. A damaged file is not marked; reading it reports the damage.
 */
export async function readAntialias(
  library: SplatTransform,
  path: string,
  source: ReadSource,
): Promise<boolean> {
  const lower = path.toLowerCase();
  const head = (bytes: number) => readAll(source, Math.min(bytes, source.size));
  if (lower.endsWith('.ply')) return isPlyAntialias(text(await head(PLY_HEADER_LIMIT)));
  if (lower.endsWith('.spz')) return isSpzAntialias(await head(GZIP_PREFIX));
  if (lower.endsWith('.json')) return isSogAntialias(text(await head(MAX_META_BYTES)));
  if (!lower.endsWith('.sog')) return false;
  const meta = await new library.ZipReadFileSystem(source).createSource('meta.json').catch(() => undefined);
  return meta ? isSogAntialias(text(await readAll(meta, Math.min(MAX_META_BYTES, meta.size)))) : false;
}

function isPlyAntialias(head: string): boolean {
  let found = false;
  for (const line of head.slice(0, Math.max(0, head.indexOf('\nend_header'))).split('\n')) {
    const tag = PLY_COMMENT.exec(line);
    if (tag) found = tag[1]?.toLowerCase() === 'mip' || tag[2] === '1';
  }
  return found;
}

function isSpzAntialias(head: Uint8Array): boolean {
  const header = head[0] === 0x1f && head[1] === 0x8b ? gunzipPrefix(head) : head;
  return header.length >= SPZ_HEADER.bytes && (header[SPZ_HEADER.flags] & SPZ_HEADER.antialiased) !== 0;
}

/** What the first bytes of a gzipped file expand to. */
function gunzipPrefix(head: Uint8Array): Uint8Array {
  try {
    return gunzipSync(head, { finishFlush: constants.Z_SYNC_FLUSH });
  } catch {
    return new Uint8Array();
  }
}

function isSogAntialias(json: string): boolean {
  try {
    return (JSON.parse(json) as { model?: unknown } | null)?.model === 'antialiased';
  } catch {
    return false;
  }
}

async function readAll(source: ReadSource, bytes: number): Promise<Uint8Array> {
  const stream = source.read(0, bytes);
  const result = new Uint8Array(bytes);
  let done = 0;
  for (;;) {
    const count = await stream.pull(result.subarray(done));
    if (!count) return result.subarray(0, done);
    done += count;
  }
}

function text(bytes: Uint8Array): string {
  return new TextDecoder('latin1').decode(bytes);
}
