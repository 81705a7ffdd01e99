import { test } from 'uvu';
import { cosineSimilarity as similarity } from '../wgsl/nn/cosine-similarity.ts';
import { withGpu } from './helpers/gpu.ts';
import { uniform } from './helpers/numbers.ts';
import { checkOp } from './helpers/vjp.ts';
import { cosineSimilarity } from './reference/cosine-similarity.ts';

test('cosines with one target for all, and with one each', () =>
  withGpu(async (_, arena) => {
    const [rows, width] = [5, 37];
    for (const shared of [true, false]) {
      const targets = uniform(shared ? width : rows * width, 9, -1, 1);
      for (let start = 0; start < targets.length; start += width) {
        const row = targets.subarray(start, start + width);
        const length = Math.hypot(...row);
        row.forEach((value, i) => {
          row[i] = value / length;
        });
      }
      const buffer = arena.upload('targets', targets, 'test');
      await checkOp(arena, {
        shapes: [[rows, width]],
        build: (graph, [x]) => similarity(graph, 'cosine', x, buffer, shared),
        reference: ([x]) => cosineSimilarity(x, targets, width),
        tolerance: 1e-6,
      });
    }
  }));

test.run();
