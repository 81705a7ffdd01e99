import * as assert from 'uvu/assert';
import { GAUSSIAN_PARAMETERS, type Gaussians, readGaussians } from '../../stages/artefacts/gaussians.ts';
import type { CheckpointStore, SavedCheckpoint } from '../../stages/checkpoints.ts';
import type { Report } from '../../stages/stage.ts';
import type { Arena, Gpu } from '../../wgsl/core/index.ts';
import { recordingReport } from './report.ts';
import { hostRows } from './state.ts';

/** What the splats of tests of checkpoints have. */
export const COUNT = 120;
export const SH_DEGREE = 1;

/** Keeps copies in memory; is due after each of `at`, or as `at` says. */
export class MemoryStore implements CheckpointStore {
  stopping = false;
  readonly saved: SavedCheckpoint[] = [];
  readonly #at: (step: number) => boolean;
  #saving = false;

  constructor(at: (step: number) => boolean = () => false) {
    this.#at = at;
  }

  async latest(): Promise<SavedCheckpoint | undefined> {
    return this.saved.at(-1);
  }

  due(step: number): boolean {
    return this.#at(step);
  }

  async save({ step, numbers, tensors }: SavedCheckpoint): Promise<void> {
    assert.not(this.#saving, 'one at a time');
    this.#saving = true;
    const copies = copied(tensors);
    await new Promise((resolve) => setTimeout(resolve, 15));
    assert.equal(tensors, copies, 'nobody touched the bytes meanwhile');
    this.#saving = false;
    this.saved.push({ step, numbers: { ...numbers }, tensors: copies });
  }
}

/** A store that already has a checkpoint. */
export function storeOf(...saved: SavedCheckpoint[]): MemoryStore {
  const store = new MemoryStore();
  store.saved.push(...saved);
  return store;
}

/** One whose disk is full, due after these steps; and the steps that it was asked to save. */
export function failingStore(...due: number[]): { store: MemoryStore; tries: number[] } {
  const store = new MemoryStore((step) => due.includes(step));
  const tries: number[] = [];
  store.save = async ({ step }) => {
    tries.push(step);
    throw new Error('no space left on device');
  };
  return { store, tries };
}

const copied = (tensors: Record<string, Uint8Array>): Record<string, Uint8Array> =>
  Object.fromEntries(Object.entries(tensors).map(([name, bytes]) => [name, bytes.slice()]));

/** A report that asks the store to stop so that `step` steps are finished then. */
export function stoppingAt(
  step: number,
  store: MemoryStore,
): Report & { notes: string[]; warnings: string[] } {
  const report = recordingReport();
  const { progress } = report;
  report.progress = (reported) => {
    progress(reported);
    if (reported.step === step - 1) store.stopping = true;
  };
  return report;
}

export type Bytes = Record<string, Uint8Array>;

export async function bytesOf(gpu: Gpu, gaussians: Gaussians): Promise<Bytes> {
  const host = await readGaussians(gpu, gaussians, 'test');
  return Object.fromEntries(GAUSSIAN_PARAMETERS.map((name) => [name, new Uint8Array(host[name].buffer)]));
}

/** The names of those that differ. */
export function differences(a: Bytes, b: Bytes): string[] {
  return GAUSSIAN_PARAMETERS.filter((name) => Buffer.compare(a[name], b[name]) !== 0);
}

export function startOf(arena: Arena): Gaussians {
  const rows = hostRows(COUNT, SH_DEGREE);
  const buffers = GAUSSIAN_PARAMETERS.map((name) => [name, arena.upload(name, rows[name], 'test')]);
  return { count: COUNT, shDegree: SH_DEGREE, ...Object.fromEntries(buffers) };
}
