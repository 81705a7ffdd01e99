import { type Gpu, InputError, type ReadbackPart } from '../../wgsl/core/index.ts';
import { GAUSSIAN_PARAMETERS, type GaussianParameter, parameterWidths } from '../artefacts/gaussians.ts';
import type { CheckpointStore, SavedCheckpoint } from '../checkpoints.ts';
import type { TrainingState } from './state.ts';

/** Buffers by their names in a checkpoint; `bytes` covers the rows in use. */
export type CheckpointTensors = Record<string, ReadbackPart>;

/** The contents of a checkpoint: numbers, and tensors that are still on the GPU. */
export interface CheckpointState {
  numbers: Record<string, number>;
  tensors: CheckpointTensors;
}

/** What must match when a loop resumes. The store guarantees that everything else matches. */
export interface LoopIdentity {
  seed: number;
  /** Steps of the whole loop. */
  steps: number;
  shDegree: number;
}

/**
 * The state's tensors in a checkpoint: the parameters, and both moments of the trained ones. Nothing else of the state
 * outlives a step: each step overwrites `screen` and the gradients.
 */
export function stateTensors(state: TrainingState, train: readonly GaussianParameter[]): CheckpointTensors {
  const { count, parameters, moments, shDegree } = state;
  const widths = parameterWidths(shDegree);
  const tensors: CheckpointTensors = {};
  for (const name of GAUSSIAN_PARAMETERS) {
    const bytes = 4 * widths[name] * count;
    tensors[name] = { buffer: parameters[name], bytes };
    if (!train.includes(name)) continue;
    tensors[`${name}/m`] = { buffer: moments[name].m, bytes };
    tensors[`${name}/v`] = { buffer: moments[name].v, bytes };
  }
  return tensors;
}

/** A checkpoint's numbers. */
export function checkpointNumbers({ count }: TrainingState, identity: LoopIdentity): Record<string, number> {
  return { ...identity, count };
}

/**
 * The newest checkpoint, with the number of Gaussians in `numbers.count`; undefined if there is none.
 * @throws InputError when it belongs to another loop.
 */
export async function latestCheckpoint(
  store: CheckpointStore | undefined,
  identity: LoopIdentity,
): Promise<SavedCheckpoint | undefined> {
  const saved = await store?.latest();
  if (!saved) return undefined;
  const { step, numbers } = saved;
  for (const [name, expected] of Object.entries(identity)) {
    if (numbers[name] !== expected) mismatch(saved, `its ${name} is ${numbers[name]}, expected ${expected}`);
  }
  if (!(Number.isInteger(step) && step >= 0 && step <= identity.steps))
    mismatch(saved, `this training has ${identity.steps} steps`);
  const { count } = numbers;
  if (!(Number.isInteger(count) && count >= 0)) mismatch(saved, `its count is ${count}`);
  return saved;
}

/**
 * Writes the saved tensors into the buffers of a blank state.
 * @throws InputError when a tensor is missing, unknown, or of another size.
 */
export function restoreTensors(gpu: Gpu, tensors: CheckpointTensors, saved: SavedCheckpoint): void {
  for (const name of Object.keys(saved.tensors)) {
    if (!tensors[name]) mismatch(saved, `it has an unknown tensor ${name}`);
  }
  for (const [name, { bytes }] of Object.entries(tensors)) {
    const found = saved.tensors[name]?.byteLength;
    if (found === undefined) mismatch(saved, `it has no tensor ${name}`);
    if (found !== bytes) mismatch(saved, `its ${name} has ${found} bytes, expected ${bytes}`);
  }
  for (const [name, { buffer, bytes }] of Object.entries(tensors)) {
    if (bytes) gpu.write(buffer, saved.tensors[name], 'checkpoints');
  }
}

function mismatch({ step }: SavedCheckpoint, reason: string): never {
  throw new InputError(
    `the checkpoint after step ${step} belongs to another training: ${reason}. Remove it, or give each training its own folder`,
  );
}
