import { type Arena, type BoundKernel, defineKernel, type Gpu } from '../core/index.ts';
import { SCAN_CONSTANTS, scanGroups } from '../sort/scan.ts';
import { RASTER_COUNTERS } from './types.ts';

export const INTERSECTION_COUNTS = defineKernel({
  label: 'splat/intersection-counts',
  constants: RASTER_COUNTERS,
  variants: {
    portable: {
      source: new URL('./intersection-counts.wgsl', import.meta.url),
      constants: SCAN_CONSTANTS.portable,
    },
    cpu: { constants: SCAN_CONSTANTS.cpu },
  },
});
export const INTERSECTION_OFFSETS = defineKernel({
  label: 'splat/intersection-offsets',
  constants: RASTER_COUNTERS,
  variants: {
    portable: {
      source: new URL('./intersection-offsets.wgsl', import.meta.url),
      constants: SCAN_CONSTANTS.portable,
    },
    cpu: { constants: SCAN_CONSTANTS.cpu },
  },
});

export interface IntersectionOffsetsOptions {
  /** Prefix of the buffers' labels. */
  label: string;
  /** Rows of the buffers below. */
  rows: number;
  /** u32 [rows]: the visible Gaussians by depth; `rasterCounters` has their number. */
  order: GPUBuffer;
  /** u32 [rows]: the tiles that each Gaussian touches. */
  tileCounts: GPUBuffer;
  /** u32 [rows], written: the first intersection of each visible Gaussian, in depth order. */
  offsets: GPUBuffer;
  rasterCounters: GPUBuffer;
  /** u32: the number of Gaussians, set to 0 if there are too many intersections. */
  gaussianCount: GPUBuffer;
}

/** Computes each Gaussian's first (tile, Gaussian) intersection, and checks the capacity. */
export class IntersectionOffsets {
  readonly steps: readonly { step: BoundKernel; groups: readonly [number, number, number] }[];
  readonly #gpu: Gpu;
  readonly #capacityCheck: GPUBuffer;
  readonly #offsets: BoundKernel;

  private constructor(
    gpu: Gpu,
    capacityCheck: GPUBuffer,
    sums: BoundKernel,
    offsets: BoundKernel,
    groups: number,
  ) {
    this.#gpu = gpu;
    this.#capacityCheck = capacityCheck;
    this.#offsets = offsets;
    this.steps = [sums, offsets].map((step) => ({ step, groups: [groups, 1, 1] as const }));
  }

  static async create(
    gpu: Gpu,
    arena: Arena,
    options: IntersectionOffsetsOptions,
  ): Promise<IntersectionOffsets> {
    const { label, rows, order, tileCounts, offsets: values, rasterCounters, gaussianCount } = options;
    const groups = scanGroups(gpu.target, rows);
    const [sums, offsets] = await Promise.all([
      gpu.kernel(INTERSECTION_COUNTS),
      gpu.kernel(INTERSECTION_OFFSETS),
    ]);
    const shape = arena.uniform(`${label}/intersectionShape`, sums.struct('Shape').size);
    // `Shape` is that of scans; intersection-offsets computes the position of the total.
    const { VISIBLE: countWord, WANTED: totalWord } = RASTER_COUNTERS;
    gpu.write(
      shape,
      sums.pack('Shape', { capacity: rows, countWord, totalWord, workers: groups }),
      'parameters',
    );
    const capacityCheck = arena.uniform(`${label}/capacityCheck`, offsets.struct('CapacityCheck').size);
    const partials = arena.buffer(`${label}/intersectionPartials`, 4 * (1 + groups));
    return new IntersectionOffsets(
      gpu,
      capacityCheck,
      sums.bind({ shape, rasterCounters, order, tileCounts, values, partials }),
      offsets.bind({ shape, capacityCheck, partials, values, rasterCounters, gaussianCount }),
      groups,
    );
  }

  /** Sets the capacity of the next submitted steps, and the step number that marks an overflow. */
  setCapacity(step: number, capacity: number): void {
    const capacityCheck = this.#offsets.kernel.pack('CapacityCheck', { step, capacity });
    this.#gpu.write(this.#capacityCheck, capacityCheck, 'parameters');
  }
}
