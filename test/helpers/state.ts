import {
  GAUSSIAN_PARAMETERS,
  type GaussianParameter,
  type Gaussians,
  parameterWidths,
} from '../../stages/artefacts/gaussians.ts';
import { createState, type TrainingState } from '../../stages/optimizer/state.ts';
import type { Arena } from '../../wgsl/core/index.ts';
import { uniform } from './numbers.ts';

export type HostRows = Record<GaussianParameter, Float32Array>;

/** Ranges that make a plausible splat in a unit cube: small and large, transparent and opaque. */
const RANGES: Record<GaussianParameter, [number, number]> = {
  means: [-1, 1],
  logScales: [-6, -1],
  quats: [-1, 1],
  opacityLogits: [-8, 4],
  sh: [-1, 1],
};

export function hostRows(count: number, shDegree: number, seed = 1): HostRows {
  const widths = parameterWidths(shDegree);
  const rows = (name: GaussianParameter, i: number) =>
    uniform(count * widths[name], 10 * seed + i, ...RANGES[name]);
  return Object.fromEntries(GAUSSIAN_PARAMETERS.map((name, i) => [name, rows(name, i)])) as HostRows;
}

/** A state that holds `rows`, with both moments 1 everywhere, so that a zeroed one shows. */
export function stateOf(
  arena: Arena,
  rows: HostRows,
  shDegree: 0 | 1 | 2 | 3,
  capacity?: number,
): TrainingState {
  const buffers = Object.fromEntries(
    GAUSSIAN_PARAMETERS.map((name) => [name, arena.upload(name, rows[name], 'test')]),
  ) as Record<GaussianParameter, GPUBuffer>;
  const gaussians: Gaussians = { count: rows.opacityLogits.length, shDegree, ...buffers };
  const state = createState(arena, gaussians, capacity);
  for (const name of GAUSSIAN_PARAMETERS) {
    const ones = new Float32Array(rows[name].length).fill(1);
    for (const moment of Object.values(state.moments[name])) arena.gpu.write(moment, ones, 'test');
  }
  return state;
}

/** The state's rows as they are now. */
export async function readRows(state: TrainingState): Promise<HostRows> {
  return read(state, (name) => state.parameters[name]);
}

/** First or second moments as they are now. */
export async function readMoments(state: TrainingState, which: 'm' | 'v'): Promise<HostRows> {
  return read(state, (name) => state.moments[name][which]);
}

async function read(state: TrainingState, buffer: (name: GaussianParameter) => GPUBuffer): Promise<HostRows> {
  const widths = parameterWidths(state.shDegree);
  const rows = {} as HostRows;
  for (const name of GAUSSIAN_PARAMETERS) {
    rows[name] = await state.gpu.readFloats(buffer(name), 'test', widths[name] * state.count);
  }
  return rows;
}
