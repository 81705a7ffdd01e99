import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { activation, add as addOp } from '../wgsl/nn/elementwise.ts';
import { Graph, type Op, tensor } from '../wgsl/nn/graph.ts';
import { linear } from '../wgsl/nn/linear.ts';
import { packLifetimes, planStorage } from '../wgsl/nn/storage.ts';
import { withGpu } from './helpers/gpu.ts';
import { uniform } from './helpers/numbers.ts';
import { checkOp } from './helpers/vjp.ts';
import { gelu } from './reference/activation.ts';
import { add } from './reference/add.ts';
import { linear as linearReference } from './reference/product.ts';

test('add, also of a value with itself', () =>
  withGpu(async (_, arena) => {
    await checkOp(arena, {
      shapes: [
        [3, 5],
        [3, 5],
      ],
      build: (graph, [x, y]) => addOp(graph, 'add', x, y),
      reference: ([x, y]) => add(x, y),
      tolerance: 1e-6,
    });
    await checkOp(arena, {
      shapes: [[7]],
      build: (graph, [x]) => addOp(graph, 'add', x, x),
      reference: ([x]) => add(x, x),
      tolerance: 1e-6,
    });
  }));

test('a residual stream: gradients are shared and accumulated, and buffers do not clash', () =>
  withGpu(async (_, arena) => {
    const width = 6;
    const weight = uniform(width * width, 3, -0.5, 0.5);
    const weights = { weight: arena.upload('weight', weight, 'test'), inputs: width, outputs: width };
    await checkOp(arena, {
      shapes: [[4, width]],
      build: (graph, [x]) => {
        let stream = linear(graph, 'first', x, weights);
        for (let layer = 0; layer < 3; layer++) {
          const hidden = activation(graph, 'activation', stream, 'gelu');
          // The stream has two more uses, after its own sum: both kinds of accumulation.
          stream = addOp(graph, 'again', linear(graph, 'second', hidden, weights, stream), stream);
        }
        return linear(graph, 'self', stream, weights, stream);
      },
      reference: ([x]) => {
        const apply = (y: Float64Array, residual?: Float64Array) =>
          linearReference(y, weight, 4, width, width, undefined, residual);
        let stream = apply(x);
        for (let layer = 0; layer < 3; layer++) stream = add(apply(stream.map(gelu), stream), stream);
        return apply(stream, stream);
      },
      tolerance: 1e-4,
    });
  }));

test('a constant keeps its buffer and has no gradient', () =>
  withGpu(async (_, arena) => {
    const values = uniform(10, 4);
    const buffer = arena.upload('constant', values, 'test');
    await checkOp(arena, {
      shapes: [[2, 5]],
      build: (graph, [x]) => addOp(graph, 'add', graph.constant('constant', [2, 5], buffer), x),
      reference: ([x]) => add(x, Float64Array.from(values)),
      tolerance: 1e-6,
    });
  }));

/** Ops that compute nothing, for plans. */
function chain(graph: Graph, count: number): Op[] {
  let last = graph.input('x', [8], true);
  return Array.from({ length: count }, (_, i) => {
    const output = { label: `v${i}`, shape: [8], requiresGrad: true };
    const op: Op = {
      label: `op${i}`,
      inputs: [last],
      output,
      saved: i === 1 ? [last] : [],
      forward: async () => [],
      backward: async () => [],
    };
    graph.add(op);
    last = output;
    return op;
  });
}

test('storage: tensors that backward reads are kept, the rest share buffers', () => {
  const graph = new Graph();
  const ops = chain(graph, 6);
  const last = ops[5].output;
  const forward = planStorage(graph, [last], []);
  // x, and two that alternate; the output is one of them.
  assert.is(packLifetimes(forward.tensors.values()).sizes.length, 3);
  const both = planStorage(graph, [last], [last]);
  const saved = both.tensors.get(ops[0].output)!;
  assert.is(saved.to, 10, 'until backward of op 1, at time 2·6−1−1');
  for (const a of [...both.tensors.values(), ...both.gradients.values()]) {
    assert.ok(a.from <= a.to);
  }
  const spans = [...both.tensors.values(), ...both.gradients.values()];
  const { slots, sizes } = packLifetimes(spans);
  for (const a of spans) {
    assert.ok(sizes[slots.get(a)!] >= a.bytes);
    for (const b of spans) {
      if (a !== b && slots.get(a) === slots.get(b))
        assert.ok(a.to < b.from || b.to < a.from, 'lifetimes are apart');
    }
  }
});

test('storage: an op that reads a tensor before an op writes it is refused', () => {
  const graph = new Graph();
  graph.add({
    label: 'odd',
    inputs: [tensor('nowhere', [1])],
    output: tensor('y', [1]),
    forward: async () => [],
    backward: async () => [],
  });
  assert.throws(() => planStorage(graph, [], []), /odd reads nowhere/);
});

test.run();
