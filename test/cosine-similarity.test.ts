import { test } from 'uvu';
import { dispatchCosines, dispatchCosinesBackward } from '../wgsl/nn/cosine-similarity.ts';
import { type Graph, type Tensor, tensor } from '../wgsl/nn/graph.ts';
import { withGpu } from './helpers/gpu.ts';
import { uniform } from './helpers/numbers.ts';
import { checkOp } from './helpers/vjp.ts';
import { cosineSimilarity } from './reference/cosine-similarity.ts';

function cosines(graph: Graph, x: Tensor, targets: GPUBuffer, isShared: boolean): Tensor {
  const [rows, width] = x.shape;
  const output = tensor('cosine', [rows], [x]);
  const shape = { rows, width, isShared };
  return graph.add({
    label: 'cosine',
    inputs: [x],
    output,
    saved: [x],
    async forward(context) {
      const bindings = { x: context.buffer(x), targets, cosines: context.buffer(output) };
      return [await dispatchCosines(context, shape, bindings)];
    },
    async backward(context) {
      const { buffer, gradient, accumulates } = context;
      const bindings = { x: buffer(x), targets, gradCosines: gradient(output), gradX: gradient(x) };
      return [await dispatchCosinesBackward(context, shape, bindings, accumulates(x))];
    },
  });
}

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
        build: (graph, [x]) => cosines(graph, x, buffer, shared),
        reference: ([x]) => cosineSimilarity(x, targets, width),
        tolerance: 1e-6,
      });
    }
  }));

test.run();
