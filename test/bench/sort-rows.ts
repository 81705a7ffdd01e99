import type { Gpu } from '../../wgsl/core/index.ts';
import { RadixSort } from '../../wgsl/sort/radix-sort.ts';
import { mixed } from '../helpers/numbers.ts';
import { type Effort, type Measured, measure } from './measure.ts';

import { withArena } from './row.ts';

/** A sort of random keys, which are written again each time, because the sort changes them. */
export function measureSort(
  gpu: Gpu,
  { count, bits, identity }: { count: number; bits: number; identity: boolean },
  effort: Effort,
): Promise<Measured> {
  return withArena(gpu, 'bench/sort', async (arena) => {
    const capacity = Math.max(1, count);
    const given = arena.upload(
      'given',
      mixed(capacity, 5).map((word) => word >>> (32 - bits)),
      'test',
    );
    const keys = arena.buffer('keys', 4 * capacity);
    const sort = await RadixSort.create(gpu, arena, {
      label: 'sort',
      capacity,
      keys,
      ...(identity ? { identityValues: true } : { values: arena.buffer('values', 4 * capacity) }),
      count: arena.upload('count', new Uint32Array([count]), 'test'),
      countWord: 0,
      bits,
    });
    return measure(
      gpu,
      () =>
        gpu.run('bench/sort', (recorder) => {
          recorder.copy(given, keys);
          sort.record(recorder);
        }),
      effort,
    );
  });
}
