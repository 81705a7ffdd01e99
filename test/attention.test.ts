import { test } from 'uvu';
import { attention as attentionOp } from '../wgsl/nn/attention.ts';
import { withGpu } from './helpers/gpu.ts';
import { uniform } from './helpers/numbers.ts';
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

test('more tokens than a tile, and heads that are no whole number of tiles', () =>
  withGpu(async (_, arena) => {
    for (const [tokens, width, heads, causal] of [
      [50, 24, 2, false],
      [70, 20, 1, true],
      [33, 72, 1, false],
    ] as const) {
      const shape = { batch: 2, heads, queries: tokens, keys: tokens, width, causal };
      const row = 3 * width;
      await checkOp(arena, {
        shapes: [[2, tokens, row]],
        build: (graph, [tensor]) => {
          const [q, k, v] = [0, width, 2 * width].map((offset) => ({ tensor, offset }));
          return attentionOp(graph, 'attention', { q, k, v, ...shape });
        },
        reference: ([data]) => {
          const [q, k, v] = [0, width, 2 * width].map((offset) => ({ data, row, offset }));
          return attention(q, k, v, shape);
        },
        // A prime: entries of all tokens and channels.
        every: 97,
        tolerance: TOLERANCE,
      });
    }
  }));

test('one query, which needs no gradient, and more keys than a tile', () =>
  withGpu(async (_, arena) => {
    const shape = { batch: 2, heads: 2, queries: 1, keys: 40, width: 16 };
    const query = uniform(2 * 16, 9, -2, 2);
    const constant = arena.upload('query', query, 'test');
    await checkOp(arena, {
      shapes: [[2, 40, 32]],
      build: (graph, [kv]) =>
        attentionOp(graph, 'attention', {
          q: { tensor: graph.constant('query', [2, 16], constant), offset: 0 },
          k: { tensor: kv, offset: 0 },
          v: { tensor: kv, offset: 16 },
          ...shape,
        }),
      reference: ([kv]) =>
        attention(
          { data: Float64Array.from(query), row: 16, offset: 0 },
          { data: kv, row: 32, offset: 0 },
          { data: kv, row: 32, offset: 16 },
          shape,
        ),
      every: 11,
      tolerance: TOLERANCE,
    });
  }));

test.run();
