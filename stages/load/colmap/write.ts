import { cameraModelByName } from './camera-models.ts';
import type { ColmapCamera } from './cameras.ts';
import type { ColmapImage } from './images.ts';

/** A point with its colour, 0–255. Points written here have no track and no error. */
export interface ColmapPoint {
  position: readonly [number, number, number];
  color: readonly [number, number, number];
}

/** cameras.bin of COLMAP. */
export function encodeCameras(cameras: readonly ColmapCamera[]): Uint8Array {
  const out = new ByteWriter().u64(cameras.length);
  for (const { id, model, width, height, params } of cameras) {
    out
      .u32(id)
      .u32(cameraModelByName(model)!.id)
      .u64(width)
      .u64(height)
      .f64(...params);
  }
  return out.bytes();
}

/** images.bin of COLMAP, without 2D points. */
export function encodeImages(images: readonly ColmapImage[]): Uint8Array {
  const out = new ByteWriter().u64(images.length);
  for (const { id, name, cameraId, quat, translation } of images) {
    out
      .u32(id)
      .f64(...quat, ...translation)
      .u32(cameraId)
      .name(name)
      .u64(0);
  }
  return out.bytes();
}

/** points3D.bin of COLMAP; ids count from 1. */
export function encodePoints(points: readonly ColmapPoint[]): Uint8Array {
  const out = new ByteWriter().u64(points.length);
  points.forEach(({ position, color }, i) => {
    out
      .u64(i + 1)
      .f64(...position)
      .u8(...color)
      .f64(0)
      .u64(0);
  });
  return out.bytes();
}

/** Appends little-endian values. */
class ByteWriter {
  #parts: Uint8Array[] = [];

  u8(...values: number[]): this {
    return this.#push(Uint8Array.from(values));
  }

  u32(value: number): this {
    const bytes = new DataView(new ArrayBuffer(4));
    bytes.setUint32(0, value, true);
    return this.#push(new Uint8Array(bytes.buffer));
  }

  u64(value: number): this {
    const bytes = new DataView(new ArrayBuffer(8));
    bytes.setBigUint64(0, BigInt(value), true);
    return this.#push(new Uint8Array(bytes.buffer));
  }

  f64(...values: number[]): this {
    const bytes = new DataView(new ArrayBuffer(8 * values.length));
    for (const [i, value] of values.entries()) bytes.setFloat64(8 * i, value, true);
    return this.#push(new Uint8Array(bytes.buffer));
  }

  /** UTF-8 and a NUL. */
  name(text: string): this {
    return this.#push(new TextEncoder().encode(`${text}\0`));
  }

  bytes(): Uint8Array {
    const out = new Uint8Array(this.#parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of this.#parts) {
      out.set(part, at);
      at += part.length;
    }
    return out;
  }

  #push(part: Uint8Array): this {
    this.#parts.push(part);
    return this;
  }
}
