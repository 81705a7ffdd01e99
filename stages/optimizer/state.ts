import type { Arena, Gpu } from '../../wgsl/core/index.ts';
import { requireRows, rowLimit } from '../../wgsl/splat/row-capacity.ts';
import {
  GAUSSIAN_PARAMETERS,
  type GaussianParameter,
  type Gaussians,
  parameterWidths,
} from '../artefacts/gaussians.ts';

/** Adam's first and second moments, in the layout of their parameter. */
export interface Moments {
  m: GPUBuffer;
  v: GPUBuffer;
}

/**
 * Everything that training changes, on the GPU. Every buffer has `capacity` rows, the first `count` of them Gaussians, in the
 * layouts of `Gaussians`, and ends on a whole vec4f. SH buffers may exceed one binding (`rowWindows`). Kernels of a step loop
 * to `gaussianCount[0]`, so a new count needs no new recording; a new `version` means that buffers were replaced and must be bound
 * again.
 */
export interface TrainingState {
  readonly gpu: Gpu;
  /** Owns every buffer of the state. */
  readonly arena: Arena;
  /** The number of Gaussians: the host's copy, exact between steps. */
  count: number;
  /** Rows in every buffer. */
  capacity: number;
  readonly shDegree: 0 | 1 | 2 | 3;
  readonly antialias: boolean;
  readonly parameters: Record<GaussianParameter, GPUBuffer>;
  readonly moments: Record<GaussianParameter, Moments>;
  /**
   * f32 [capacity, 2], written by a step's backward pass: ‖(gx·W/2, gy·H/2)‖ of dL/d(mean in pixels), and the radius in
   * pixels ÷ max(W, H); both 0 where the Gaussian was not visible.
   */
  screen: GPUBuffer;
  /**
   * u32, the count at word 0. The rasteriser sets it to 0 when a step overflows its buffers, so that the rest of that step
   * has no effect; `setCount` restores it before the step is redone.
   */
  readonly gaussianCount: GPUBuffer;
  /** Incremented whenever buffers are replaced. */
  version: number;
}

/**
 * A state with a copy of `gaussians`, zero moments, and room for `capacity` rows (at least the count).
 * @throws InputError when this adapter cannot hold them.
 */
export function createState(
  arena: Arena,
  gaussians: Gaussians,
  capacity: number = gaussians.count,
): TrainingState {
  const state = blankState(arena, gaussians, capacity);
  const widths = parameterWidths(state.shDegree);
  if (state.count) {
    arena.gpu.run('train/state/fill', (recorder) => {
      for (const name of GAUSSIAN_PARAMETERS) {
        recorder.copy(gaussians[name], state.parameters[name], 4 * widths[name] * state.count);
      }
    });
  }
  return state;
}

/**
 * A state of `count` zero Gaussians, to be filled from a checkpoint; otherwise like `createState`.
 * @throws InputError when this adapter cannot hold them.
 */
export function blankState(
  arena: Arena,
  { count, shDegree, antialias = false }: Pick<Gaussians, 'count' | 'shDegree' | 'antialias'>,
  capacity: number = count,
): TrainingState {
  const { gpu } = arena;
  const rows = Math.max(count, capacity);
  requireCapacity(gpu, shDegree, rows);
  const widths = parameterWidths(shDegree);
  const make = <T>(each: (name: GaussianParameter) => T) =>
    Object.fromEntries(GAUSSIAN_PARAMETERS.map((name) => [name, each(name)])) as Record<GaussianParameter, T>;
  const state: TrainingState = {
    gpu,
    arena,
    count: 0,
    capacity: rows,
    shDegree,
    antialias,
    parameters: make((name) => arena.buffer(name, wholeWords(widths[name] * rows))),
    moments: make((name) => ({
      m: arena.buffer(`${name}/m`, wholeWords(widths[name] * rows)),
      v: arena.buffer(`${name}/v`, wholeWords(widths[name] * rows)),
    })),
    screen: arena.buffer('screen', 8 * rows),
    gaussianCount: arena.buffer('gaussianCount', 4),
    version: 0,
  };
  setCount(state, count);
  return state;
}

/** Bytes of this many floats, padded to whole vec4f, which Adam processes. */
function wholeWords(floats: number): number {
  return 16 * Math.ceil(floats / 4);
}

/** Sets the number of Gaussians, here and on the GPU. Between steps only. */
export function setCount(state: TrainingState, count: number): void {
  if (count > state.capacity) throw new Error(`${count} Gaussians do not fit in ${state.capacity} rows`);
  state.count = count;
  state.gpu.write(state.gaussianCount, new Uint32Array([count]), 'parameters');
}

/**
 * Makes room for at least `rows` rows, and for 1.5 times the present capacity if `limit` and the adapter allow, so that small
 * growth does not copy everything each time. Replaces the buffers and increments `version`. The Gaussians and their moments
 * keep their rows; new rows and `screen` are zero.
 * @throws InputError when this adapter cannot hold `rows`.
 */
export function growState(state: TrainingState, rows: number, limit = Number.POSITIVE_INFINITY): void {
  if (rows <= state.capacity) return;
  const { gpu, arena, count } = state;
  requireCapacity(gpu, state.shDegree, rows);
  const maxRows = Math.min(limit, rowLimit(gpu, state.shDegree));
  const capacity = Math.max(rows, Math.min(maxRows, Math.ceil(1.5 * state.capacity)));
  const widths = parameterWidths(state.shDegree);
  const moved: GPUBuffer[] = [];
  gpu.run('train/state/grow', (recorder) => {
    const grow = (role: string, width: number, old: GPUBuffer) => {
      const grown = arena.buffer(role, wholeWords(width * capacity));
      if (count) recorder.copy(old, grown, 4 * width * count);
      moved.push(old);
      return grown;
    };
    for (const name of GAUSSIAN_PARAMETERS) {
      const moments = state.moments[name];
      state.parameters[name] = grow(name, widths[name], state.parameters[name]);
      moments.m = grow(`${name}/m`, widths[name], moments.m);
      moments.v = grow(`${name}/v`, widths[name], moments.v);
    }
  });
  moved.push(state.screen);
  state.screen = arena.buffer('screen', 8 * capacity);
  for (const buffer of moved) arena.release(buffer);
  state.capacity = capacity;
  state.version++;
}

/** The state's Gaussians, without copying: valid until the state grows or is destroyed. */
export function gaussiansOf(state: TrainingState): Gaussians {
  return { ...properties(state), ...state.parameters };
}

function properties({ count, shDegree, antialias }: TrainingState) {
  return { count, shDegree, ...(antialias && { antialias }) };
}

function requireCapacity(gpu: Gpu, shDegree: number, rows: number): void {
  requireRows(
    gpu,
    { shDegree, rows },
    'training needs room for',
    (limit) => `Set train.cap to at most ${limit}, with a strategy that keeps to it (budget, mcmc)`,
  );
}

/** A copy of the state's Gaussians in buffers of exact size, independent of the state. */
export function detachGaussians(state: TrainingState, label: string): Gaussians {
  const { gpu, count, shDegree, parameters } = state;
  const widths = parameterWidths(shDegree);
  const owner = gpu.arena(label);
  try {
    const copies = gpu.run(`${label}/detach`, (recorder) =>
      GAUSSIAN_PARAMETERS.map((name) => {
        const bytes = 4 * widths[name] * count;
        const copy = owner.buffer(name, bytes);
        if (bytes) recorder.copy(parameters[name], copy, bytes);
        return [name, copy] as const;
      }),
    );
    return { ...properties(state), ...(Object.fromEntries(copies) as Record<GaussianParameter, GPUBuffer>) };
  } catch (error) {
    owner.destroy();
    throw error;
  }
}
