import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import { InputError } from '../../wgsl/core/index.ts';
import { excerpt } from './excerpt.ts';
import { type FileBytes, withFileBytes } from './file-bytes.ts';
import { checkJson, parseJson, readJson } from './json.ts';
import { leadsOut, readZipDirectory, readZipEntry } from './zip-directory.ts';

const META = 'meta.json';
const MAX_META_BYTES = 2 ** 20;
const MAX_COUNT = 2 ** 24; // with SH, more than one buffer holds on any adapter
/** A picture has a pixel for each Gaussian, and its writers round its sides up. */
const SPARE = { ratio: 4, pixels: 4096 };
/** Pixels of the pictures of SH: a palette of 65,536 rows at most. */
const MAX_PALETTE_PIXELS = 65536 * 15;
/** Bytes of a WebP's header in which its size is. */
const WEBP_HEADER = 30;

const name = z
  .string()
  .min(1)
  .max(255)
  .refine((path) => !leadsOut(path) && !/[/\\]/.test(path), 'expected the name of a file beside meta.json');
const files = (count: number) => z.array(name).length(count);
const numbers = z.array(z.number());
const three = numbers.length(3);
const count = z.custom<number>(
  (value) => Number.isInteger(value) && Number(value) >= 1 && Number(value) <= MAX_COUNT,
  {
    error: ({ input }) =>
      `declares ${input === undefined ? 'no count of' : excerpt(input)} Gaussians, not 1 to ${MAX_COUNT}`,
  },
);
const codebook = numbers.min(1).max(65536);

/** meta.json of the current version, and of the one before it, which has no number. */
const current = z.object({
  version: z.literal(2),
  count,
  means: z.object({ mins: three, maxs: three, files: files(2) }),
  scales: z.object({ codebook, files: files(1) }),
  quats: z.object({ files: files(1) }),
  sh0: z.object({ codebook, files: files(1) }),
  shN: z
    .object({ count: z.int().min(0).max(65536), bands: z.int().min(0).max(3), codebook, files: files(2) })
    .optional(),
});
const first = z.object({
  means: z.object({ shape: z.tuple([count]).rest(z.unknown()), mins: three, maxs: three, files: files(2) }),
  scales: z.object({ mins: three, maxs: three, files: files(1) }),
  quats: z.object({ files: files(1) }),
  sh0: z.object({ mins: numbers.length(4), maxs: numbers.length(4), files: files(1) }),
  shN: z.object({ mins: z.number(), maxs: z.number(), files: files(2) }).optional(),
});

/** What meta.json says: the number of Gaussians, and the pictures that have one pixel for each; `palette` has others. */
interface Sog {
  count: number;
  pictures: string[];
  palette?: string;
}

function parseMeta(path: string, json: unknown): Sog {
  const { version } = Object(json);
  const isFirst = version === undefined;
  const meta = isFirst ? checkJson(path, first, json) : checkJson(path, current, json);
  const declared = 'count' in meta ? meta.count : meta.means.shape[0];
  const [palette, labels] = meta.shN?.files ?? [];
  const pictures = [meta.means, meta.scales, meta.quats, meta.sh0].flatMap((part) => part.files);
  return { count: declared, pictures: labels ? [...pictures, labels] : pictures, palette };
}

/** Checks the meta.json of an unpacked SOG, and the sizes of its pictures. Gives its files. @throws InputError */
export async function checkSogFolder(path: string): Promise<string[]> {
  const { size } = await stat(path).catch(() => ({ size: 0 }));
  if (size > MAX_META_BYTES)
    throw new InputError(`has ${size} bytes; the ${META} of a SOG has at most ${MAX_META_BYTES}`, path);
  const sog = parseMeta(path, await readJson(path));
  const names = [...sog.pictures, ...(sog.palette ? [sog.palette] : [])];
  for (const picture of names) {
    const file = join(dirname(path), picture);
    const head = await withFileBytes(file, ({ at }) => at(0, WEBP_HEADER));
    checkPicture(file, head, sog, picture === sog.palette);
  }
  return [path, ...new Set(names.map((picture) => join(dirname(path), picture)))];
}

/**
 * The files of a .sog by name: meta.json and the pictures that it names. @throws InputError for an archive that is refused
 * (`readZipDirectory`), a damaged file in it, and pictures whose sizes do not fit the number of Gaussians.
 */
export async function readSogArchive(file: FileBytes): Promise<Map<string, Buffer>> {
  const { path } = file;
  const entries = await readZipDirectory(file);
  const read = async (wanted: string) => {
    const entry = entries.get(wanted);
    if (!entry) throw new InputError(`has no file ${excerpt(wanted)}; expected the archive of a SOG`, path);
    if (wanted === META && entry.size > MAX_META_BYTES)
      throw new InputError(
        `has a ${META} of ${entry.size} bytes, at most ${MAX_META_BYTES} are expected`,
        path,
      );
    return readZipEntry(file, entry);
  };
  const meta = await read(META);
  const place = `${path}/${META}`;
  const sog = parseMeta(place, parseJson(meta.toString(), place));
  const contents = new Map([[META, meta]]);
  for (const picture of [...sog.pictures, ...(sog.palette ? [sog.palette] : [])]) {
    const bytes = contents.get(picture) ?? (await read(picture));
    checkPicture(`${path}/${picture}`, bytes, sog, picture === sog.palette);
    contents.set(picture, bytes);
  }
  return contents;
}

/** The size in a picture's header must fit the number of Gaussians, which bounds what decoding it takes. */
function checkPicture(path: string, bytes: Buffer, { count }: Sog, isPalette: boolean): void {
  const size = webpSize(bytes.subarray(0, WEBP_HEADER));
  if (!size) throw new InputError('byte 0: is no WebP picture; expected one that a SOG is made of', path);
  const pixels = size.width * size.height;
  const most = isPalette ? MAX_PALETTE_PIXELS : SPARE.ratio * count + SPARE.pixels;
  if (pixels <= most && (isPalette || pixels >= count)) return;
  const expected = isPalette ? `at most ${most} pixels` : `${count} pixels, one for each Gaussian`;
  throw new InputError(`is ${size.width}×${size.height}, expected ${expected}; write the SOG again`, path);
}

/** The size of a WebP, from its first chunk; undefined for other files. */
function webpSize(head: Buffer): { width: number; height: number } | undefined {
  if (head.length < WEBP_HEADER || head.toString('latin1', 0, 4) !== 'RIFF') return undefined;
  if (head.toString('latin1', 8, 12) !== 'WEBP') return undefined;
  switch (head.toString('latin1', 12, 16)) {
    case 'VP8X':
      return { width: 1 + head.readUIntLE(24, 3), height: 1 + head.readUIntLE(27, 3) };
    case 'VP8L': {
      const bits = head.readUInt32LE(21);
      return { width: 1 + (bits & 0x3fff), height: 1 + ((bits >>> 14) & 0x3fff) };
    }
    case 'VP8 ':
      return { width: head.readUInt16LE(26) & 0x3fff, height: head.readUInt16LE(28) & 0x3fff };
    default:
      return undefined;
  }
}
