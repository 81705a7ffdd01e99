import type { Arena } from '../core/index.ts';
import type { Dispatch } from '../nn/dispatch.ts';

/** A part of an encoder: its dispatches forward, and the maker of those backward, which run in the order of execution. */
export interface EncoderPart {
  forward: Dispatch[];
  backward(): Promise<Dispatch[]>;
}

/** Elements of a matrix in tiles of 16 × 16. */
function tiledSize(rows: number, columns: number): number {
  return Math.ceil(rows / 16) * Math.ceil(columns / 16) * 256;
}

/** The buffers of an encoder. Without a backward pass the layers share those that only a backward pass would keep. */
export class EncoderBuffers {
  readonly arena: Arena;
  readonly hasBackward: boolean;
  readonly #scratch = new Map<string, GPUBuffer>();

  constructor(arena: Arena, hasBackward: boolean) {
    this.arena = arena;
    this.hasBackward = hasBackward;
  }

  /** f32 that the backward pass reads; without one, the shared buffer `kind`. */
  floats(label: string, count: number, kind?: string): GPUBuffer {
    return this.#saved(label, 4 * count, kind);
  }

  /** f16, as `floats`. */
  halves(label: string, count: number, kind?: string): GPUBuffer {
    return this.#saved(label, 2 * count, kind);
  }

  /** An f16 matrix in tiles, as `floats`. */
  tiled(label: string, rows: number, columns: number, kind?: string): GPUBuffer {
    return this.halves(label, tiledSize(rows, columns), kind);
  }

  /** f32 of the backward pass; minimal without one. */
  gradient(label: string, count: number): GPUBuffer {
    return this.arena.buffer(label, this.hasBackward ? 4 * count : 16);
  }

  /** f32 that all parts share under a name. The first use asks for the most bytes: commands recorded before keep their buffer. */
  scratchFloats(name: string, count: number): GPUBuffer {
    return this.#scratchOf(name, 4 * count);
  }

  /** f16, as `scratchFloats`. */
  scratchHalves(name: string, count: number): GPUBuffer {
    return this.#scratchOf(name, 2 * count);
  }

  /** An f16 matrix in tiles, as `scratchFloats`. */
  scratchTiled(name: string, rows: number, columns: number): GPUBuffer {
    return this.scratchHalves(name, tiledSize(rows, columns));
  }

  #saved(label: string, bytes: number, kind = label): GPUBuffer {
    return this.hasBackward ? this.arena.buffer(label, bytes) : this.#scratchOf(kind, bytes);
  }

  #scratchOf(name: string, bytes: number): GPUBuffer {
    const buffer = this.#scratch.get(name) ?? this.arena.buffer(name, bytes);
    this.#scratch.set(name, buffer);
    if (buffer.size < bytes) throw new Error(`${name}: the first use must ask for ${bytes} bytes`);
    return buffer;
  }
}
