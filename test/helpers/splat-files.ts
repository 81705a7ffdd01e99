/** Small splat files of the formats that export does not write, or writes slowly. */
import * as zlib from 'node:zlib';
import sharp from 'sharp';

/** An entry of an archive. What is not given follows from `data`. */
export interface ZipEntry {
  name: string;
  /** As stored: compressed where `method` is 8. */
  data: Uint8Array;
  method?: number;
  /** Before compression. */
  contents?: Uint8Array;
  /** The declared size of the contents. */
  size?: number;
  /** The declared number of stored bytes. */
  stored?: number;
  /** Where the local header is. */
  offset?: number;
  flags?: number;
  /** Mode of the file in Unix's terms, for links. */
  mode?: number;
}

/** The bytes of a zip archive. `count`: the declared number of entries. */
export function zip(entries: readonly ZipEntry[], { count = entries.length, comment = '' } = {}): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const { name, data, method = 0, contents = data, stored = data.length, ...rest } of entries) {
    const { size = contents.length, offset = at, flags = 0x800, mode = 0o100644 } = rest;
    const text = Buffer.from(name);
    const about = Buffer.alloc(26);
    about.writeUInt16LE(20, 0);
    about.writeUInt16LE(flags, 2);
    about.writeUInt16LE(method, 4);
    about.writeUInt32LE(crc(contents), 10);
    about.writeUInt32LE(stored, 14);
    about.writeUInt32LE(size, 18);
    about.writeUInt16LE(text.length, 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), about, text, data]);
    parts.push(local);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE((mode << 16) >>> 0, 6);
    tail.writeUInt32LE(offset, 10);
    directory.push(Buffer.from('PK\x01\x02\x14\x03', 'latin1'), about, tail, text);
    at += local.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(count, 8);
  end.writeUInt16LE(count, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(at, 16);
  end.writeUInt16LE(comment.length, 20);
  return Buffer.concat([...parts, central, end, Buffer.from(comment)]);
}

/** The checksum of zip and PNG. */
export function crc(data: Uint8Array): number {
  if ('crc32' in zlib) return zlib.crc32(data);
  let value = ~0;
  for (const byte of data) {
    value ^= byte;
    for (let k = 0; k < 8; k++) value = (value >>> 1) ^ (value & 1 ? 0xedb88320 : 0);
  }
  return ~value >>> 0;
}

/** The files of a SOG of 16 Gaussians of SH degree 0. */
export async function sogFiles(): Promise<Record<string, Buffer>> {
  const texture = (values: (i: number) => [number, number, number, number]) =>
    sharp(Buffer.from(Array.from({ length: 16 }, (_, i) => values(i)).flat()), {
      raw: { width: 4, height: 4, channels: 4 },
    })
      .webp({ lossless: true, exact: true })
      .toBuffer();
  const codebook = Array.from({ length: 256 }, (_, i) => i / 128 - 4);
  const meta = {
    version: 2,
    count: 16,
    means: { mins: [-1, -1, -1], maxs: [1, 1, 1], files: ['means_l.webp', 'means_u.webp'] },
    scales: { codebook, files: ['scales.webp'] },
    quats: { files: ['quats.webp'] },
    sh0: { codebook, files: ['sh0.webp'] },
  };
  return {
    'meta.json': Buffer.from(JSON.stringify(meta)),
    'means_l.webp': await texture((i) => [9 * i, 7 * i, 5 * i, 255]),
    'means_u.webp': await texture((i) => [16 * i, 99, 255 - 16 * i, 255]),
    'scales.webp': await texture((i) => [i, 2 * i, 3 * i, 255]),
    'quats.webp': await texture((i) => [128, 100 + i, 128, 252 + (i % 4)]),
    'sh0.webp': await texture((i) => [i, 128, 255 - i, 200]),
  };
}

/** The SOG as one file. */
export function sogArchive(files: Readonly<Record<string, Uint8Array>>): Buffer {
  return zip(Object.entries(files).map(([name, data]) => ({ name, data })));
}

/** A .spz of version 2 before gzip: 8 Gaussians of SH degree 0. */
export function spzContents(count = 8): Buffer {
  const header = Buffer.alloc(16);
  header.write('NGSP', 'latin1');
  header.writeUInt32LE(2, 4);
  header.writeUInt32LE(count, 8);
  header[13] = 12; // fractional bits
  return Buffer.concat([header, Buffer.from(Array.from({ length: 19 * 8 }, (_, i) => (i * 37) % 256))]);
}

export const spz = (): Buffer => zlib.gzipSync(spzContents());

/** A .splat of 8 Gaussians. */
export function splat(): Buffer {
  const bytes = Buffer.alloc(32 * 8);
  for (let i = 0; i < 8; i++) {
    for (let k = 0; k < 6; k++) bytes.writeFloatLE(k < 3 ? (i - 4) / 4 : 0.1, 32 * i + 4 * k);
    bytes.set([i, 99, 200, 240, 255, 128, 128, 128], 32 * i + 24);
  }
  return bytes;
}

/** A .ksplat of 8 Gaussians without compression. */
export function ksplat(): Buffer {
  const [header, section] = [Buffer.alloc(4096), Buffer.alloc(1024)];
  header[1] = 1; // version 0.1
  // Sections allocated and used, Gaussians allocated and used.
  for (const [i, value] of [1, 1, 8, 8].entries()) header.writeUInt32LE(value, 4 + 4 * i);
  section.writeUInt32LE(8, 0);
  section.writeUInt32LE(8, 4);
  const rows = Array.from({ length: 8 }, (_, i) => {
    const row = Buffer.alloc(44);
    const values = [i / 4 - 1, 0, 1 - i / 4, 0.1, 0.2, 0.1, 1, 0, 0, 0];
    for (const [k, value] of values.entries()) row.writeFloatLE(value, 4 * k);
    row.set([i, 99, 200, 240], 40);
    return row;
  });
  return Buffer.concat([header, section, ...rows]);
}

/** A compressed .ply of 8 Gaussians. */
export function compressedPly(): Buffer {
  const limits = (prefix: string, names: string) =>
    ['min', 'max'].flatMap((end) => [...names].map((axis) => `property float ${end}_${prefix}${axis}`));
  const header = [
    ...['ply', 'format binary_little_endian 1.0', 'element chunk 1'],
    ...[...limits('', 'xyz'), ...limits('scale_', 'xyz'), ...limits('', 'rgb')],
    'element vertex 8',
    ...['position', 'rotation', 'scale', 'color'].map((name) => `property uint packed_${name}`),
    'end_header\n',
  ];
  const chunk = new Float32Array([-1, -1, -1, 1, 1, 1, -5, -5, -5, -2, -2, -2, 0, 0, 0, 1, 1, 1]);
  const vertices = Uint32Array.from({ length: 32 }, (_, i) => (i * 2654435761) >>> 0);
  return Buffer.concat([
    Buffer.from(header.join('\n')),
    new Uint8Array(chunk.buffer),
    new Uint8Array(vertices.buffer),
  ]);
}
