import {
  type Arena,
  type BoundKernel,
  bindRows,
  type Constants,
  defineKernel,
  type Gpu,
  gridFor,
  type Kernel,
  type KernelDefinition,
  type KernelTarget,
  loopingGrid,
  type Recorder,
  type RowWindow,
  rowWindows,
  windowUniform,
} from '../core/index.ts';
import { RadixSort } from '../sort/radix-sort.ts';
import { IntersectionOffsets } from './intersection-offsets.ts';
import { BUCKET, bucketCapacity, shapeOf, tileFor, tilesOf } from './raster-shape.ts';
import {
  type GaussianBuffers,
  type PinholeCamera,
  PROJECTED_BYTES,
  RASTER_COUNTER_WORDS,
  RASTER_COUNTERS,
  shConstants,
  shRowBytes,
  type ViewOptions,
} from './types.ts';
import { viewValues } from './view-values.ts';

/** Options of `Rasterizer.create`. */
export interface RasterizerOptions {
  /** Prefix of the buffers' labels. */
  label: string;
  gaussians: GaussianBuffers;
  /** u32, the number of Gaussians at word 0, read when the kernels run. A view that exceeds the capacity sets it to 0. */
  gaussianCount: GPUBuffer;
  /** Number of rows in the Gaussians' buffers. */
  rows: number;
  /** SH degree of `gaussians.sh`, 0 to 3. */
  shDegree: number;
  /** Size of the largest picture, pixels. Views may be smaller. */
  width: number;
  height: number;
  /**
   * Capacity in (tile, Gaussian) intersections. A view that exceeds it sets the counters `FAILED` and `NEEDED` and
   * `gaussianCount` to 0, so that all later work is void until the host has grown the buffers.
   */
  intersections: number;
  /** Compensates opacity for the blur of the 2D covariance (Mip-Splatting's 2D filter; gsplat's `antialiased` mode). */
  antialias?: boolean;
  /** Also renders depth. */
  depth?: boolean;
  /** Tile side in pixels; `tileFor` the target unless given. The pictures do not depend on it. */
  tile?: number;
  /** The variant of the kernels; the device's unless given. */
  target?: KernelTarget;
  /** Stores the state that `RasterizerBackward` reads; true unless given. */
  backward?: boolean;
}

/** Threads per group of the kernels that run over Gaussians or intersections. */
const SIZE = 256;
/** Maximum groups of a kernel that loops to a count on the GPU: enough to fill a large GPU. */
const MAX_GROUPS = 2048;
/** Number of tiles of a box above which the whole group counts them. */
const LARGE = 32;
/** Maximum groups of a looping kernel with one subgroup a group. */
const MAX_SUBGROUPS = 8192;
/** Bits of a depth key: camera z from 0.01 to 1e10 as f32 bits, counted from those of 0.01 (see project.wgsl). */
const DEPTH_BITS = 29;

export const PROJECT = defineKernel({
  label: 'splat/project',
  constants: { SIZE, LARGE },
  example: { TILE: 16, ...shConstants(3), ANTIALIAS: true },
  variants: { portable: { source: new URL('./project.wgsl', import.meta.url) } },
});
export const EMIT = defineKernel({
  label: 'splat/emit',
  constants: { ...RASTER_COUNTERS, SIZE },
  example: { TILE: 16 },
  variants: {
    portable: { source: new URL('./emit.wgsl', import.meta.url) },
    subgroup: { source: new URL('./emit-subgroup.wgsl', import.meta.url), enables: ['subgroups'] },
  },
});
export const TILE_RANGES = defineKernel({
  label: 'splat/tile-ranges',
  constants: { ...RASTER_COUNTERS, SIZE },
  variants: { portable: { source: new URL('./tile-ranges.wgsl', import.meta.url) } },
});
export const RASTERIZE_FORWARD = defineKernel({
  label: 'splat/rasterize-forward',
  example: { TILE: 16, DEPTH: true, STATE: true },
  variants: {
    portable: { source: new URL('./rasterize-forward.wgsl', import.meta.url) },
    subgroup: {
      source: new URL('./rasterize-forward-subgroup.wgsl', import.meta.url),
      constants: { BUCKET },
      enables: ['subgroups'],
    },
    cpu: {
      source: new URL('./rasterize-forward-cpu.wgsl', import.meta.url),
      example: { TILE: tileFor({ target: 'cpu' }) },
      enables: ['subgroups'],
    },
  },
});

interface Pass {
  step: BoundKernel | RadixSort;
  groups: readonly [number, number, number];
}

/**
 * Tile-based rasteriser of 3D Gaussians, forward (Kerbl et al., "3D Gaussian Splatting for Real-Time Radiance Field
 * Rendering", 2023; gsplat's classic mode, see docs/rasterizer.md). All counts stay on the GPU and every grid is fixed, so
 * recording never waits:
 * project → sort the visible by depth → scan tile counts and check the capacity → emit intersections → sort by tile → blend.
 */
export class Rasterizer {
  readonly options: Required<RasterizerOptions>;
  /** f32 [H,W,4]: rgb unclamped with background, and alpha. Rows are the view's width apart. */
  readonly color: GPUBuffer;
  /** f32 [H,W]: alpha-weighted mean camera z, 0 where alpha is 0. One word without `depth`. */
  readonly depth: GPUBuffer;
  /** u32 [RASTER_COUNTER_WORDS], see `RASTER_COUNTERS`. */
  readonly rasterCounters: GPUBuffer;
  /** Buffers that `RasterizerBackward`, `ParameterGradients` and `SplatAdam` read. Not part of the public interface. */
  readonly internals: {
    view: GPUBuffer;
    /** Windows of the rows: kernels that bind SH run once for each. */
    windows: readonly (RowWindow & { uniform: GPUBuffer })[];
    projected: GPUBuffer;
    tileCounts: GPUBuffer;
    /** u32 [rows, 2]: see project.wgsl. */
    boxes: GPUBuffer;
    /** u32 [rows]: the visible Gaussians by depth. */
    order: GPUBuffer;
    tileStarts: GPUBuffer;
    sortedIntersections: GPUBuffer;
    gaussianFromIntersection: GPUBuffer;
    intersectionFromGaussian: GPUBuffer;
    lastContributor: GPUBuffer;
    /** Without subgroups: transmittance left per pixel. */
    transmittance?: GPUBuffer;
    /** With subgroups: the pixels' state at each bucket's start, each bucket's tile, and each tile's depth in intersections. */
    buckets?: { states: GPUBuffer; tiles: GPUBuffer; depths: GPUBuffer };
  };
  readonly #gpu: Gpu;
  readonly #project: Kernel;
  readonly #intersectionOffsets: IntersectionOffsets;
  readonly #stages: readonly Pass[];

  private constructor(
    gpu: Gpu,
    options: Required<RasterizerOptions>,
    buffers: Pick<Rasterizer, 'color' | 'depth' | 'rasterCounters' | 'internals'>,
    project: Kernel,
    intersectionOffsets: IntersectionOffsets,
    stages: readonly Pass[],
  ) {
    this.#gpu = gpu;
    this.options = options;
    this.color = buffers.color;
    this.depth = buffers.depth;
    this.rasterCounters = buffers.rasterCounters;
    this.internals = buffers.internals;
    this.#project = project;
    this.#intersectionOffsets = intersectionOffsets;
    this.#stages = stages;
  }

  /**
   * Compiles the kernels and allocates the buffers in the arena: about 85 bytes a row, 16 to 20 an intersection, 20 to 28 a
   * pixel, and with `backward` on the target `subgroup` 64 more an intersection.
   *
   * @throws GpuError when a buffer or a binding exceeds the adapter's limits.
   */
  static async create(gpu: Gpu, arena: Arena, given: RasterizerOptions): Promise<Rasterizer> {
    const shape = shapeOf(gpu, given.label, given);
    const options = { antialias: false, depth: false, backward: true, ...given, ...shape };
    const { label, gaussians, gaussianCount, rows, width, height, intersections, tile, target } = options;
    const pixels = width * height;
    const tiles = tilesOf(options, tile);
    const buffer = (role: string, bytes: number) => arena.buffer(`${label}/${role}`, bytes);

    const kernels = await rasterKernels(gpu, options);
    const shBytes = shRowBytes(options.shDegree);
    const windows = rowWindows(gpu, rows, shBytes).map((window) => ({
      ...window,
      uniform: windowUniform(arena, `${label}/window`, window),
    }));
    const view = arena.uniform(`${label}/view`, kernels.project.struct('View').size);
    const rasterCounters = buffer('rasterCounters', 4 * RASTER_COUNTER_WORDS);
    const projected = buffer('projected', PROJECTED_BYTES * rows);
    const tileCounts = buffer('tileCounts', 4 * rows);
    const boxes = buffer('boxes', 8 * rows);
    const depthKeys = buffer('depthKeys', 4 * rows);
    const offsets = buffer('offsets', 4 * rows);
    const tileKeys = buffer('tileKeys', 4 * intersections);
    const gaussianFromIntersection = buffer('gaussianFromIntersection', 4 * intersections);
    const intersectionFromGaussian = buffer('intersectionFromGaussian', 4 * rows);
    const tileStarts = buffer('tileStarts', 4 * (tiles + 2));
    const color = buffer('color', 16 * pixels);
    const depth = buffer('depth', options.depth ? 4 * pixels : 4);
    const lastContributor = buffer('lastContributor', 4 * pixels);
    const capacity = bucketCapacity(options);
    const after =
      target === 'subgroup'
        ? {
            buckets: {
              states: buffer('bucketStates', 16 * tile ** 2 * capacity.states),
              tiles: buffer('bucketTiles', 4 * capacity.buckets),
              depths: buffer('tileDepths', 4 * tiles),
            },
          }
        : { transmittance: buffer('transmittance', 4 * pixels) };

    const depthSort = await RadixSort.create(gpu, arena, {
      label: `${label}/depthSort`,
      capacity: rows,
      keys: depthKeys,
      identityValues: true,
      count: gaussianCount,
      countWord: 0,
      nonzeroCount: rasterCounters,
      nonzeroWord: RASTER_COUNTERS.VISIBLE,
      bits: DEPTH_BITS,
    });
    const order = depthSort.sortedValues;
    const intersectionOffsets = await IntersectionOffsets.create(gpu, arena, {
      label,
      rows,
      order,
      tileCounts,
      offsets,
      rasterCounters,
      gaussianCount,
    });
    const tileSort = await RadixSort.create(gpu, arena, {
      label: `${label}/tileSort`,
      capacity: intersections,
      keys: tileKeys,
      identityValues: true,
      count: rasterCounters,
      countWord: RASTER_COUNTERS.INTERSECTIONS,
      bits: Math.max(1, Math.ceil(Math.log2(tiles + 1))),
    });
    const sortedIntersections = tileSort.sortedValues;

    const overRows = loopingGrid(options, rows, SIZE, MAX_GROUPS);
    const { means, logScales, quats, opacityLogits, sh } = gaussians;
    const stages = [
      ...windows.map((window) => ({
        step: kernels.project.bind({
          view,
          window: window.uniform,
          gaussianCount,
          means,
          logScales,
          quats,
          opacityLogits,
          sh: bindRows(sh, window, shBytes),
          projected,
          tileCounts,
          depthKeys,
          boxes,
        }),
        groups: loopingGrid(options, window.rows, SIZE, MAX_GROUPS),
      })),
      { step: depthSort, groups: overRows },
      ...intersectionOffsets.steps,
      {
        step: kernels.emit.bind({
          view,
          rasterCounters,
          order,
          offsets,
          projected,
          tileCounts,
          tileKeys,
          gaussianFromIntersection,
          intersectionFromGaussian,
          boxes,
        }),
        groups:
          target === 'subgroup' ? loopingGrid(options, rows, gpu.subgroupSize, MAX_SUBGROUPS) : overRows,
      },
      { step: tileSort, groups: overRows },
      {
        step: kernels.tileRanges.bind({ view, rasterCounters, sortedTiles: tileSort.sortedKeys, tileStarts }),
        groups: gridFor(tiles + 2, SIZE),
      },
      {
        step: kernels.forward.bind({
          view,
          tileStarts,
          sortedIntersections,
          gaussianFromIntersection,
          projected,
          color,
          lastContributor,
          depth,
          ...(after.buckets
            ? {
                states: after.buckets.states,
                bucketTiles: after.buckets.tiles,
                tileDepths: after.buckets.depths,
              }
            : { transmittance: after.transmittance }),
        }),
        groups: gridFor(tiles, 1),
      },
    ];
    const internals = {
      view,
      windows,
      projected,
      tileCounts,
      boxes,
      order,
      tileStarts,
      sortedIntersections,
      gaussianFromIntersection,
      intersectionFromGaussian,
      lastContributor,
      ...after,
    };
    return new Rasterizer(
      gpu,
      options,
      { color, depth, rasterCounters, internals },
      kernels.project,
      intersectionOffsets,
      stages,
    );
  }

  /**
   * Sets the view that the next submitted `record` draws; writes two small uniforms at once.
   * @throws Error when the view is larger than the rasteriser, or a recorder that uses it is not submitted yet.
   */
  setView(camera: PinholeCamera, { shDegree, step = 0, ...rest }: ViewOptions = {}): void {
    const { width, height, tile, intersections, shDegree: stored } = this.options;
    if (
      camera.width * camera.height > width * height ||
      tilesOf(camera, tile) > tilesOf(this.options, tile)
    ) {
      throw new Error(
        `a view of ${camera.width}×${camera.height} is larger than the rasterizer's ${width}×${height}`,
      );
    }
    const values = viewValues(camera, {
      tile,
      shDegree: Math.min(shDegree ?? stored, stored),
      step,
      ...rest,
    });
    this.#gpu.write(this.internals.view, this.#project.pack('View', values), 'parameters');
    this.#intersectionOffsets.setCapacity(step, intersections);
  }

  /** Records the whole forward pass: overwrites `color`, `depth` and the counters. */
  record(recorder: Recorder): void {
    this.#record(recorder, this.#stages);
  }

  /** Records only the kernels that count the view's intersections, into the counter `WANTED`. */
  recordCount(recorder: Recorder): void {
    const last = this.#stages.findIndex(({ step }) => step === this.#intersectionOffsets.steps.at(-1)!.step);
    this.#record(recorder, this.#stages.slice(0, last + 1));
  }

  #record(recorder: Recorder, stages: readonly Pass[]): void {
    for (const { step, groups } of stages) {
      if ('record' in step) step.record(recorder);
      else recorder.run(step, groups);
    }
  }
}

async function rasterKernels(
  gpu: Gpu,
  { tile: TILE, target, shDegree, antialias, depth, backward }: Required<RasterizerOptions>,
) {
  const load = (kernel: KernelDefinition, constants: Constants) => gpu.kernel(kernel, { target, constants });
  const [project, emit, tileRanges, forward] = await Promise.all([
    load(PROJECT, { TILE, ...shConstants(shDegree), ANTIALIAS: antialias }),
    load(EMIT, { TILE }),
    gpu.kernel(TILE_RANGES),
    load(RASTERIZE_FORWARD, { TILE, DEPTH: depth, STATE: backward }),
  ]);
  return { project, emit, tileRanges, forward };
}
