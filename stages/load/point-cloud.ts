import { readFile } from 'node:fs/promises';
import { InputError } from '../../wgsl/core/index.ts';
import { excerpt } from '../artefacts/excerpt.ts';
import { PLY_HEADER_LIMIT, type PlyElement, parsePlyHeader, plyHeaderEnd } from '../artefacts/ply-header.ts';
import type { PointsRead } from './capture.ts';

const FORMATS = ['binary_little_endian 1.0', 'ascii 1.0'] as const;
const COLORS = ['red', 'green', 'blue'];
const GREY = 128;
const MAX_COORDINATE = 3e38; // beyond, f32 is infinite

const READ_BINARY: Record<string, (view: DataView, at: number) => number> = {
  ...{ char: (v, at) => v.getInt8(at), int8: (v, at) => v.getInt8(at) },
  ...{ uchar: (v, at) => v.getUint8(at), uint8: (v, at) => v.getUint8(at) },
  ...{ short: (v, at) => v.getInt16(at, true), int16: (v, at) => v.getInt16(at, true) },
  ...{ ushort: (v, at) => v.getUint16(at, true), uint16: (v, at) => v.getUint16(at, true) },
  ...{ int: (v, at) => v.getInt32(at, true), int32: (v, at) => v.getInt32(at, true) },
  ...{ uint: (v, at) => v.getUint32(at, true), uint32: (v, at) => v.getUint32(at, true) },
  ...{ float: (v, at) => v.getFloat32(at, true), float32: (v, at) => v.getFloat32(at, true) },
  ...{ double: (v, at) => v.getFloat64(at, true), float64: (v, at) => v.getFloat64(at, true) },
};

/**
 * Reads the points of a .ply, ASCII or binary little-endian: x, y, z and, where it has them, red, green, blue of 0–255
 * (grey otherwise). Skips points whose position is not finite. The element vertex comes first.
 * @throws InputError with the line of the header, or the row, that cannot be used.
 */
export async function readPointCloud(path: string): Promise<PointsRead> {
  const bytes = await readFile(path).catch((error: Error) => {
    throw new InputError(`cannot be read: ${error.message}`, path);
  });
  const start = bytes.toString('latin1', 0, PLY_HEADER_LIMIT);
  const headerBytes = plyHeaderEnd(path, start, bytes.length);
  const { elements, format } = parsePlyHeader(path, start.slice(0, headerBytes), FORMATS);
  const [vertex] = elements;
  const missing = ['x', 'y', 'z'].filter((name) => !vertex?.properties.includes(name));
  if (vertex?.name !== 'vertex' || missing.length) {
    throw new InputError('has no positions; expected x, y and z in its first element, vertex', path);
  }
  const rows = format === 'ascii 1.0' ? asciiRows : binaryRows;
  return gather(path, vertex, rows(path, vertex, bytes.subarray(headerBytes)));
}

/** Value of a property in a row. */
type Rows = (row: number, property: number) => number;

function gather(path: string, { count, properties, types }: PlyElement, at: Rows): PointsRead {
  const axes = ['x', 'y', 'z'].map((name) => properties.indexOf(name));
  const colored = COLORS.every((name) => properties.includes(name));
  const channels = COLORS.map((name) => properties.indexOf(name));
  if (colored && !channels.every((k) => ['uchar', 'uint8'].includes(types[k]))) {
    throw new InputError(
      'has colours that are not of type uchar; expected red, green and blue of 0 to 255',
      path,
    );
  }
  const positions = new Float32Array(3 * count);
  const colors = new Uint8Array(3 * count).fill(GREY);
  let valid = 0;
  for (let i = 0; i < count; i++) {
    const position = axes.map((property) => at(i, property));
    if (!position.every((value) => Math.abs(value) < MAX_COORDINATE)) continue;
    positions.set(position, 3 * valid);
    if (colored)
      colors.set(
        channels.map((property) => at(i, property)),
        3 * valid,
      );
    valid++;
  }
  return {
    positions: positions.subarray(0, 3 * valid),
    colors: colors.subarray(0, 3 * valid),
    skipped: count - valid,
  };
}

function binaryRows(path: string, { count, types, rowBytes, offsets }: PlyElement, body: Uint8Array): Rows {
  if (body.length < count * rowBytes) {
    throw new InputError(
      `is truncated: its header declares ${count} vertices of ${rowBytes} bytes, and ${body.length} bytes follow; copy it again`,
      path,
    );
  }
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const readers = types.map((type) => READ_BINARY[type]);
  return (row, property) => readers[property](view, row * rowBytes + offsets[property]);
}

function asciiRows(path: string, { count, properties }: PlyElement, body: Buffer): Rows {
  const lines = body.toString('latin1').split(/\r?\n/, Math.min(count, body.length));
  const rows = lines.map((line) => line.trim().split(/\s+/));
  const bad = rows.findIndex((fields) => fields.length !== properties.length || fields.some(isWord));
  if (bad >= 0 || rows.length < count) {
    const found = bad >= 0 ? excerpt(lines[bad]) : 'nothing';
    throw new InputError(
      `vertex ${bad >= 0 ? bad : rows.length} of ${count} is ${found}; expected ${properties.length} numbers: ${properties.join(' ')}`,
      path,
    );
  }
  return (row, property) => Number(rows[row][property]);
}

/** Neither a number nor what printf writes for one that is not finite; those points are skipped. */
function isWord(field: string): boolean {
  return field === '' || (Number.isNaN(Number(field)) && !/^[-+]?(nan|inf(inity)?)$/i.test(field));
}
