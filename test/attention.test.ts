import { test } from 'uvu';
import { attention as attentionOp } from '../wgsl/nn/attention.ts';
import { withGpu } from './helpers/gpu.ts';
import { checkOp } from './helpers/vjp.ts';
import { attention } from './reference/attention.ts';

const TOLERANCE = 2e-5;

test('self-attention on packed q, k, v, with and without a causal mask', () =>
  withGpu(async (_, arena) => {
    for (const causal of [false, true]) {
      const shape = { batch: 2, heads: 3, queries: 7, keys: 7, width: 15, causal };
      await checkOp(arena, {
        shapes: [[2, 7, 45]],
        build: (graph, [tensor]) => {
          const [q, k, v] = [0, 15, 30].map((offset) => ({ tensor, offset }));
          return attentionOp(graph, 'attention', { q, k, v, ...shape });
        },
        reference: ([data]) => {
          const [q, k, v] = [0, 15, 30].map((offset) => ({ data, row: 45, offset }));
          return attention(q, k, v, shape);
        },
        tolerance: TOLERANCE,
      });
    }
  }));

test('one query per sequence on packed keys and values', () =>
  withGpu(async (_, arena) => {
    const shape = { batch: 3, heads: 2, queries: 1, keys: 9, width: 8 };
    await checkOp(arena, {
      shapes: [
        [3, 8],
        [3, 9, 16],
      ],
      build: (graph, [q, kv]) =>
        attentionOp(graph, 'attention', {
          q: { tensor: q, offset: 0 },
          k: { tensor: kv, offset: 0 },
          v: { tensor: kv, offset: 8 },
          ...shape,
        }),
      reference: ([q, kv]) =>
        attention(
          { data: q, row: 8, offset: 0 },
          { data: kv, row: 16, offset: 0 },
          { data: kv, row: 16, offset: 8 },
          shape,
        ),
      tolerance: TOLERANCE,
    });
  }));

test('scores of 1000 do not overflow', () =>
  withGpu(async (_, arena) => {
    const shape = { batch: 1, heads: 1, queries: 4, keys: 4, width: 4 };
    await checkOp(arena, {
      shapes: [[1, 4, 12]],
      build: (graph, [tensor]) => {
        const [q, k, v] = [0, 4, 8].map((offset) => ({ tensor, offset }));
        return attentionOp(graph, 'attention', { q, k, v, ...shape });
      },
      reference: ([data]) => {
        const [q, k, v] = [0, 4, 8].map((offset) => ({ data, row: 12, offset }));
        return attention(q, k, v, shape);
      },
      range: [-30, 30],
      tolerance: 2e-3,
    });
  }));

test.run();
