import type { PointsRead } from '../capture.ts';
import { ByteReader } from './byte-reader.ts';
import { type TextLine, TextReader } from './text-reader.ts';

const TRACK_BYTES = 4 + 4; // image id, index of the 2D point
const MIN_RECORD_BYTES = 8 + 3 * 8 + 3 + 8 + 8;
const MAX_COORDINATE = 3e38; // beyond, f32 is infinite

/** points3D.bin: count u64, then id u64, xyz f64, rgb u8, error f64, track u64 × (image u32, index u32). */
export function readPointsBinary(file: string, bytes: Uint8Array): PointsRead {
  const reader = new ByteReader(file, bytes);
  const count = reader.count('points', MIN_RECORD_BYTES);
  const points = new PointList(count);
  for (let i = 0; i < count; i++) {
    reader.skip(8, 'a point id');
    const position = [reader.f64('a position'), reader.f64('a position'), reader.f64('a position')];
    const color = [reader.u8('a colour'), reader.u8('a colour'), reader.u8('a colour')];
    reader.skip(8, 'an error');
    const track = reader.count('observations of a point', TRACK_BYTES);
    reader.skip(track * TRACK_BYTES, 'the observations of a point');
    points.add(position, color);
  }
  reader.end(`${count} points`);
  return points.finish();
}

/** points3D.txt: `POINT3D_ID X Y Z R G B ERROR TRACK[]` per line. */
export function readPointsText(file: string, bytes: Uint8Array): PointsRead {
  const reader = new TextReader(file, bytes);
  const lines: TextLine[] = [];
  for (let line = reader.next(); line; line = reader.next()) {
    // The track may be long and is not needed.
    lines.push({ number: line.number, text: line.text.slice(0, 512) });
  }
  const points = new PointList(lines.length);
  for (const line of lines) {
    const fields = reader.fields(line, 8, 'POINT3D_ID X Y Z R G B ERROR TRACK[]', 9);
    const position = fields.slice(1, 4).map((field) => number(reader, line, field));
    const color = fields.slice(4, 7).map((field) => reader.integer(line, field, 'a colour', 255));
    points.add(position, color);
  }
  return points.finish();
}

/** A coordinate. COLMAP writes `nan` and `inf` for points that it could not triangulate. */
function number(reader: TextReader, line: TextLine, field: string): number {
  return /^[-+]?(nan|inf(inity)?)$/i.test(field) ? Number.NaN : reader.finite(line, field, 'a coordinate');
}

class PointList {
  readonly #positions: Float32Array;
  readonly #colors: Uint8Array;
  #valid = 0;
  #skipped = 0;

  constructor(count: number) {
    this.#positions = new Float32Array(3 * count);
    this.#colors = new Uint8Array(3 * count);
  }

  add(position: number[], color: number[]): void {
    if (!position.every((value) => Math.abs(value) < MAX_COORDINATE)) {
      this.#skipped++;
      return;
    }
    this.#positions.set(position, 3 * this.#valid);
    this.#colors.set(color, 3 * this.#valid);
    this.#valid++;
  }

  finish(): PointsRead {
    return {
      positions: this.#positions.subarray(0, 3 * this.#valid),
      colors: this.#colors.subarray(0, 3 * this.#valid),
      skipped: this.#skipped,
    };
  }
}
