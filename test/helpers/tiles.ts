import type { Gpu } from '../../wgsl/core/index.ts';
import { toHalf } from '../../wgsl/transformer/weights.ts';
import { tiledIndex } from '../reference/tiles.ts';

/** Relative error of a number stored in f16, rounded either way. */
export const HALF = 2 ** -10;

/** Number of entries of a matrix in whole tiles. */
export function tiledSize(rows: number, columns: number): number {
  return Math.ceil(rows / 16) * Math.ceil(columns / 16) * 256;
}

/** A matrix [rows, columns] in f16 tiles. */
export function tile(values: ArrayLike<number>, rows: number, columns: number): Uint16Array {
  const halves = new Uint16Array(tiledSize(rows, columns));
  for (let i = 0; i < rows * columns; i++) {
    halves[tiledIndex(Math.floor(i / columns), i % columns, columns)] = toHalf(values[i]);
  }
  return halves;
}

export async function readHalves(gpu: Gpu, buffer: GPUBuffer): Promise<Uint16Array> {
  return new Uint16Array(await gpu.read(buffer, 'test'));
}
