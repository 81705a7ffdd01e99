import { type Gpu, InputError, type SnapshotPart } from '../../wgsl/core/index.ts';
import { GAUSSIAN_PARAMETERS, type GaussianParameter, parameterWidths } from '../artefacts/gaussians.ts';
import type { CheckpointKeeper, SavedCheckpoint } from '../checkpoints.ts';
import type { TrainingState } from './state.ts';

/** Buffers by the names that they have in a checkpoint, of which the rows in use are kept. */
export type KeptParts = Record<string, SnapshotPart>;

/** What must be the same when a course goes on; that the rest is, its keeper answers for. */
export interface Terms {
  seed: number;
  /** Of the whole course. */
  steps: number;
  shDegree: number;
}

/**
 * The state's part of a checkpoint: the parameters, and both moments of those that Adam moves. Nothing else of the state
 * lasts from one step to the next: `screen` and the gradients are written by each.
 */
export function stateParts(state: TrainingState, train: readonly GaussianParameter[]): KeptParts {
  const { count, parameters, moments, shDegree } = state;
  const widths = parameterWidths(shDegree);
  const parts: KeptParts = {};
  for (const name of GAUSSIAN_PARAMETERS) {
    const bytes = 4 * widths[name] * count;
    parts[name] = { buffer: parameters[name], bytes };
    if (!train.includes(name)) continue;
    parts[`${name}/m`] = { buffer: moments[name].m, bytes };
    parts[`${name}/v`] = { buffer: moments[name].v, bytes };
  }
  return parts;
}

/** A checkpoint's numbers. */
export function keptNumbers({ count }: TrainingState, terms: Terms): Record<string, number> {
  return { ...terms, count };
}

/**
 * The newest checkpoint, of which `numbers.count` is the number of Gaussians; undefined where there is none.
 * @throws InputError when it belongs to another course.
 */
export async function latestCheckpoint(
  keeper: CheckpointKeeper | undefined,
  terms: Terms,
): Promise<SavedCheckpoint | undefined> {
  const saved = await keeper?.latest();
  if (!saved) return undefined;
  const { step, numbers } = saved;
  for (const [name, expected] of Object.entries(terms)) {
    if (numbers[name] !== expected)
      misfit(saved, `its ${name} is ${numbers[name]}, and here it is ${expected}`);
  }
  if (!(Number.isInteger(step) && step >= 0 && step <= terms.steps))
    misfit(saved, `here are ${terms.steps} steps`);
  const { count } = numbers;
  if (!(Number.isInteger(count) && count >= 0)) misfit(saved, `its count is ${count}`);
  return saved;
}

/**
 * Fills the parts of a blank state with what was saved.
 * @throws InputError when a tensor is missing, superfluous, or of another size.
 */
export function writeBack(gpu: Gpu, parts: KeptParts, saved: SavedCheckpoint): void {
  for (const name of Object.keys(saved.tensors)) {
    if (!parts[name]) misfit(saved, `it has a tensor ${name}, which nothing here takes`);
  }
  for (const [name, { bytes }] of Object.entries(parts)) {
    const found = saved.tensors[name]?.byteLength;
    if (found === undefined) misfit(saved, `it has no tensor ${name}`);
    if (found !== bytes) misfit(saved, `its ${name} has ${found} bytes, and ${bytes} are expected`);
  }
  for (const [name, { buffer, bytes }] of Object.entries(parts)) {
    if (bytes) gpu.write(buffer, saved.tensors[name], 'checkpoints');
  }
}

function misfit({ step }: SavedCheckpoint, why: string): never {
  throw new InputError(
    `the checkpoint after step ${step} belongs to another training: ${why}. Remove it, or keep each training's apart`,
  );
}
