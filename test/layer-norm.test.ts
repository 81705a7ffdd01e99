import { test } from 'uvu';
import { layerNorm as layerNormOp } from '../wgsl/nn/layer-norm.ts';
import { withGpu } from './helpers/gpu.ts';
import { uniform } from './helpers/numbers.ts';
import { checkOp } from './helpers/vjp.ts';
import { layerNorm } from './reference/layer-norm.ts';

test('rows of any width and offset, forward and backward', () =>
  withGpu(async (_, arena) => {
    for (const [rows, width, range] of [
      [1, 5, [-2, 2]],
      [9, 33, [-1, 1]],
      // far from zero: the variance must be of centred values
      [3, 64, [40, 41]],
    ] as const) {
      const [weight, bias] = [uniform(width, 5, 0.5, 1.5), uniform(width, 6, -1, 1)];
      const weights = {
        weight: arena.upload('weight', weight, 'test'),
        bias: arena.upload('bias', bias, 'test'),
        epsilon: 1e-5,
      };
      await checkOp(arena, {
        shapes: [[rows, width]],
        build: (graph, [x]) => layerNormOp(graph, 'norm', x, weights),
        reference: ([x]) => layerNorm(x, weight, bias, 1e-5),
        range,
        tolerance: range[0] > 10 ? 2e-4 : 1e-5,
      });
    }
  }));

test.run();
