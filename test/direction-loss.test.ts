import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { dispatchDirectionLoss } from '../wgsl/nn/direction-loss.ts';
import { withGpu } from './helpers/gpu.ts';
import { uniform } from './helpers/numbers.ts';
import { near, targetsOf } from './helpers/vjp.ts';
import { directionLosses } from './reference/direction-loss.ts';

const [rows, width] = [6, 37];
const firstRow = 2;
const weight = 3;
const direction = unit(uniform(width, 5, -1, 1));
const embeds = uniform(rows * width, 6, -1, 1);
const bases = uniform(rows * width, 7, -1, 1);
// Row 1 hardly differs from its base: there the loss is linear.
bases.set(
  embeds.subarray(width, 2 * width).map((value, i) => 2 * value + 0.01 * direction[i]),
  width,
);

function unit(values: Float32Array): Float32Array {
  const length = Math.hypot(...values);
  return values.map((value) => value / length);
}

/** d(weight · mean)/de of the rows that count, by central differences. */
function gradient(base: ArrayLike<number>, threshold: number): number[] {
  const step = 1e-5;
  return Array.from(embeds, (_, at) => {
    const row = Math.floor(at / width);
    const lossAt = (by: number) => {
      const moved = Float64Array.from(embeds);
      moved[at] += by;
      return directionLosses(moved, base, direction)[row];
    };
    return lossAt(0) < threshold ? 0 : ((weight / rows) * (lossAt(step) - lossAt(-step))) / (2 * step);
  });
}

for (const isShared of [false, true]) {
  const base = isShared ? bases.slice(0, width) : bases;
  const all = directionLosses(embeds, base, direction);
  const sorted = [...all].sort((a, b) => a - b);
  const middle = (sorted[rows / 2 - 1] + sorted[rows / 2]) / 2;
  for (const threshold of [0, middle]) {
    test(`losses and gradient, ${isShared ? 'one base' : 'a base each'}, threshold ${threshold.toFixed(2)}`, () =>
      withGpu(async (gpu, arena) => {
        for (const target of targetsOf(gpu)) {
          const before = uniform((firstRow + rows) * width, 8, -1, 1);
          const skipped = firstRow * width;
          const losses = arena.buffer('losses', 4 * rows);
          const gradEmbeds = arena.upload('gradEmbeds', before, 'test');
          const { bound, groups } = await dispatchDirectionLoss(
            { arena, target },
            { rows, width, firstRow, firstBase: isShared ? undefined : 0, weight, threshold },
            {
              embeds: arena.upload(
                'embeds',
                Float32Array.from([...before.slice(0, skipped), ...embeds]),
                'test',
              ),
              base: arena.upload('base', base, 'test'),
              direction: arena.upload('direction', direction, 'test'),
              losses,
              gradEmbeds,
            },
          );
          gpu.run('test', (recorder) => recorder.run(bound, groups));
          const counted = all.map((loss) => (loss < threshold ? 0 : loss));
          near(await gpu.readFloats(losses, 'test'), counted, 2e-6, `${target} losses`);
          const found = await gpu.readFloats(gradEmbeds, 'test');
          const added = found.map((value, i) => value - before[i]);
          assert.equal([...added.slice(0, skipped)], Array(skipped).fill(0), 'rows before the first');
          near(added.slice(skipped), gradient(base, threshold), 5e-6, `${target} gradient`);
        }
        if (threshold) assert.ok(all.filter((loss) => loss < threshold).length === rows / 2);
      }));
  }
}

test.run();
