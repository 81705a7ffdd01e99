import { open } from 'node:fs/promises';
import { InputError } from '../../wgsl/core/index.ts';
import { excerpt } from './excerpt.ts';

export interface PlyElement {
  name: string;
  count: number;
  /** Property names in the file's order. */
  properties: string[];
  /** Their types, as the file names them, and their first bytes in a binary row. */
  types: string[];
  offsets: number[];
  rowBytes: number;
}

export interface PlyHeader {
  elements: PlyElement[];
  /** Bytes of the header, `end_header` and its line feed included. */
  bytes: number;
  /** SH degree of a plain 3DGS splat; undefined for a compressed one (PlayCanvas's packed chunks). */
  shDegree?: 0 | 1 | 2 | 3;
}

export const PLY_HEADER_LIMIT = 128 * 1024; // bytes
const TYPE_BYTES: Record<string, number> = {
  ...{ char: 1, uchar: 1, int8: 1, uint8: 1 },
  ...{ short: 2, ushort: 2, int16: 2, uint16: 2 },
  ...{ int: 4, uint: 4, float: 4, int32: 4, uint32: 4, float32: 4 },
  ...{ double: 8, float64: 8 },
};
const MAX_COUNT = 2 ** 32 - 1;

/** The required properties of the `vertex` element of a 3DGS .ply, besides `f_rest_*`. */
export const SPLAT_PROPERTIES = [
  ...['x', 'y', 'z'],
  ...['f_dc_0', 'f_dc_1', 'f_dc_2', 'opacity'],
  ...['scale_0', 'scale_1', 'scale_2', 'rot_0', 'rot_1', 'rot_2', 'rot_3'],
];
const PACKED_PROPERTIES = ['packed_position', 'packed_rotation', 'packed_scale', 'packed_color'];
const REST_COUNTS = [0, 9, 24, 45]; // 3·((degree + 1)² − 1)

/**
 * Reads and checks the header of a splat's .ply before memory is allocated for its contents: binary little-endian, scalar
 * properties, the layout of 3DGS (or the packed one), and a file size that matches the header.
 * @throws InputError with the invalid line of the header.
 */
export async function readPlyHeader(path: string): Promise<PlyHeader> {
  const file = await open(path).catch((error: Error) => {
    throw new InputError(`cannot be opened: ${error.message}`, path);
  });
  try {
    const { size } = await file.stat();
    const head = new Uint8Array(Math.min(size, PLY_HEADER_LIMIT));
    const { bytesRead } = await file.read(head, 0, head.length, 0);
    return checkPlyHeader(path, new TextDecoder('latin1').decode(head.subarray(0, bytesRead)), size);
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(`cannot be read: ${(error as Error).message}`, path);
  } finally {
    await file.close();
  }
}

/** The checks of `readPlyHeader` on the first bytes of a file of `size` bytes. */
export function checkPlyHeader(path: string, head: string, size: number): PlyHeader {
  const bytes = plyHeaderEnd(path, head, size);
  const { elements } = parsePlyHeader(path, head.slice(0, bytes), ['binary_little_endian 1.0']);
  const needed = elements.reduce((sum, { count, rowBytes }) => sum + count * rowBytes, bytes);
  if (size < needed) {
    const declared = elements.map(({ name, count }) => `${count} ${name}`).join(', ');
    throw new InputError(
      `is truncated: it has ${size} bytes, and its header declares ${needed} (${declared}); copy it again`,
      path,
    );
  }
  return { elements, bytes, shDegree: checkLayout(path, elements) };
}

/** Bytes of the header of a .ply, `end_header` and its line feed included. `head`: the first of its `size` bytes. */
export function plyHeaderEnd(path: string, head: string, size: number): number {
  if (!head.startsWith('ply\n')) {
    const found = JSON.stringify(head.slice(0, 8));
    throw new InputError(`begins with ${found}, expected "ply" and a line feed`, { file: path, line: 1 });
  }
  const end = head.indexOf('\nend_header\n');
  if (end < 0) {
    const searched = head.length < size ? `in its first ${head.length} bytes` : 'before it ends';
    throw new InputError(`has no line \`end_header\` ${searched}; expected a whole .ply`, path);
  }
  return end + '\nend_header\n'.length;
}

/** Parses a header up to `end_header`. @throws InputError with the invalid line; `formats` lists the valid formats. */
export function parsePlyHeader(
  path: string,
  header: string,
  formats: readonly string[],
): { elements: PlyElement[]; format: string } {
  const lines = header.slice(0, header.lastIndexOf('\nend_header')).split('\n');
  const elements: PlyElement[] = [];
  let format: string | undefined;
  lines.forEach((text, i) => {
    const fail = (message: string) => new InputError(message, { file: path, line: i + 1 });
    const [keyword, ...words] = text.split(' ').filter(Boolean);
    const element = elements.at(-1);
    if (keyword === undefined || keyword === 'comment' || keyword === 'obj_info' || i === 0) return;
    if (keyword === 'format') {
      format = words.join(' ');
      if (!formats.includes(format)) {
        throw fail(`the format is ${excerpt(format)}, expected ${formats.join(' or ')}`);
      }
    } else if (keyword === 'element') {
      const count = Number(words[1]);
      if (words.length !== 2 || !/^\d+$/.test(words[1]) || count > MAX_COUNT) {
        throw fail(`${excerpt(text)}: expected \`element NAME COUNT\` with a count from 0 to ${MAX_COUNT}`);
      }
      elements.push({ name: words[0], count, properties: [], types: [], offsets: [], rowBytes: 0 });
    } else if (keyword === 'property') {
      const typeBytes = Object.hasOwn(TYPE_BYTES, words[0] ?? '') ? TYPE_BYTES[words[0]] : undefined;
      if (words.length !== 2 || !typeBytes || !element) {
        throw fail(
          `${excerpt(text)}: expected \`property TYPE NAME\` with a scalar type, after an element; ` +
            'lists (meshes) are not supported',
        );
      }
      if (element.properties.includes(words[1])) throw fail(`property ${excerpt(words[1])} appears twice`);
      element.properties.push(words[1]);
      element.types.push(words[0]);
      element.offsets.push(element.rowBytes);
      element.rowBytes += typeBytes;
    } else {
      throw fail(`${excerpt(text)}: expected format, comment, element, property or end_header`);
    }
  });
  const bare = elements.find(({ count, properties }) => count > 0 && !properties.length);
  if (bare)
    throw new InputError(`element ${excerpt(bare.name)} of ${bare.count} rows has no properties`, path);
  if (!format) throw new InputError(`has no format line; expected \`format ${formats[0]}\``, path);
  return { elements, format };
}

function checkLayout(path: string, elements: readonly PlyElement[]): PlyHeader['shDegree'] {
  const vertex = elements.find(({ name }) => name === 'vertex');
  if (!vertex) throw new InputError('has no element vertex; expected the splat there', path);
  const has = (name: string) => vertex.properties.includes(name);
  if (vertex.count === 0) throw new InputError('has 0 vertices; expected at least one Gaussian', path);
  if (elements.some(({ name }) => name === 'chunk') && PACKED_PROPERTIES.every(has)) return undefined;
  const missing = SPLAT_PROPERTIES.filter((name) => !has(name));
  if (missing.length) {
    throw new InputError(
      `is not a 3D Gaussian splat: element vertex lacks ${missing.join(', ')}` +
        (has('red') ? ' (a point cloud? it can be the ply_file_path of a transforms.json)' : ''),
      path,
    );
  }
  const rest = vertex.properties.filter((name) => /^f_rest_\d+$/.test(name)).length;
  const degree = REST_COUNTS.indexOf(rest);
  const complete = Array.from({ length: rest }, (_, i) => `f_rest_${i}`).every(has);
  if (degree < 0 || !complete) {
    throw new InputError(
      `has ${rest} properties f_rest_*; expected f_rest_0 to f_rest_8, 23 or 44, or none (SH degree 1, 2, 3, 0)`,
      path,
    );
  }
  return degree as 0 | 1 | 2 | 3;
}
