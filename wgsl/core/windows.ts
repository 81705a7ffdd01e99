import { GpuError } from './errors.ts';
import type { Arena, Gpu } from './gpu.ts';

/** Rows of a buffer that a kernel sees at a time: `first` to before `first` + `rows`. */
export interface RowWindow {
  first: number;
  rows: number;
}

/**
 * Windows begin at multiples of this many rows: no workgroup's block of rows spans two windows, and offsets of rows of at least a
 * word are multiples of 256 bytes, the largest alignment that WebGPU may require (minStorageBufferOffsetAlignment).
 */
const ROW_STEP = 256;

/** Maximum number of rows of `rowBytes` in one window. */
function windowRows(gpu: Gpu, rowBytes: number): number {
  const rows = ROW_STEP * Math.floor(gpu.windowBytes / (ROW_STEP * rowBytes));
  if (rows) return rows;
  throw new GpuError(
    `a window of ${gpu.windowBytes} bytes holds fewer than ${ROW_STEP} rows of ${rowBytes} bytes; it needs at least ` +
      `${ROW_STEP * rowBytes}`,
  );
}

/**
 * A buffer of rows may be larger than one binding (SH of 11.2 million Gaussians fill 2 GiB, and many adapters bind 128 MiB at
 * most): a kernel then runs once for each of these windows, with its own bind group. One window if everything fits.
 */
export function rowWindows(gpu: Gpu, rows: number, rowBytes: number): RowWindow[] {
  const maxRows = windowRows(gpu, rowBytes);
  return Array.from({ length: Math.max(1, Math.ceil(rows / maxRows)) }, (_, i) => {
    const first = maxRows * i;
    return { first, rows: Math.min(maxRows, rows - first) };
  });
}

/** A window of a buffer as a binding. It ends on a whole vec4f where the buffer does. */
export function bindRows(buffer: GPUBuffer, { first, rows }: RowWindow, rowBytes: number): GPUBufferBinding {
  const offset = first * rowBytes;
  return { buffer, offset, size: Math.min(16 * Math.ceil((rows * rowBytes) / 16), buffer.size - offset) };
}

/** A window for a kernel that includes `window`. */
export function windowUniform(arena: Arena, role: string, { first, rows }: RowWindow): GPUBuffer {
  return arena.upload(role, new Uint32Array([first, first + rows]), 'parameters', GPUBufferUsage.UNIFORM);
}
