import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { mlp } from '../wgsl/nn/mlp.ts';
import { withGpu } from './helpers/gpu.ts';
import { uniform } from './helpers/numbers.ts';
import { checkOp } from './helpers/vjp.ts';
import { gelu, quickGelu } from './reference/activation.ts';
import { linear } from './reference/product.ts';

for (const [kind, activation, inputs, inner, outputs] of [
  ['quick_gelu', quickGelu, 8, 20, 12],
  ['gelu', gelu, 7, 5, 6],
] as const) {
  test(`fc2(${kind}(fc1(x))) + residual of widths ${inputs}, ${inner}, ${outputs}, and the gradients`, () =>
    withGpu(async (_, arena) => {
      const rows = 3;
      const [weight1, weight2] = [uniform(inputs * inner, 1, -1, 1), uniform(inner * outputs, 2, -1, 1)];
      const [bias1, bias2] = [uniform(inner, 3), uniform(outputs, 4)];
      const upload = (role: string, numbers: Float32Array) => arena.upload(role, numbers, 'test');
      const fc1 = { weight: upload('w1', weight1), bias: upload('b1', bias1), inputs, outputs: inner };
      const fc2 = { weight: upload('w2', weight2), bias: upload('b2', bias2), inputs: inner, outputs };
      await checkOp(arena, {
        shapes: [
          [rows, inputs],
          [rows, outputs],
        ],
        build: (graph, [x, residual]) => mlp(graph, 'mlp', x, { fc1, fc2 }, kind, residual),
        reference: ([x, residual]) => {
          const hidden = linear(x, weight1, rows, inputs, inner, bias1);
          return linear(hidden.map(activation), weight2, rows, inner, outputs, bias2, residual);
        },
        tolerance: 1e-5,
      });
    }));
}

test('layers that do not follow each other are refused', () =>
  withGpu(async (_, arena) => {
    const layer = (inputs: number, outputs: number) => ({ weight: arena.buffer('w', 16), inputs, outputs });
    const build = checkOp(arena, {
      shapes: [
        [2, 4],
        [2, 4],
      ],
      build: (graph, [x, residual]) =>
        mlp(graph, 'mlp', x, { fc1: layer(4, 8), fc2: layer(12, 4) }, 'gelu', residual),
      reference: ([x]) => x,
      tolerance: 0,
    });
    const error = await build.catch((reason: unknown) => reason);
    assert.match(String(error), /mlp: rows of 4, layers 4→8 and 12→4 and the residual \[2,4\] do not fit/);
  }));

test.run();
