import type { CheckpointStore } from '../checkpoints.ts';

/**
 * A store as one of several consecutive training loops of a stage sees it. The loop's own steps count from 0 and are saved from `offset` on,
 * and `latest` finds the checkpoints of this loop alone.
 */
export function loopStore(store: CheckpointStore, loop: number, offset: number): CheckpointStore {
  return {
    get stopping() {
      return store.stopping;
    },
    due: (step) => store.due(offset + step),
    save: ({ step, numbers, tensors }) =>
      store.save({ step: offset + step, numbers: { ...numbers, loop }, tensors }),
    async latest() {
      const saved = await store.latest();
      return saved?.numbers.loop === loop ? { ...saved, step: saved.step - offset } : undefined;
    },
  };
}
