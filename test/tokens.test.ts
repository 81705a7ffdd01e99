import { test } from 'uvu';
import { Graph } from '../wgsl/nn/graph.ts';
import { Program } from '../wgsl/nn/program.ts';
import {
  imageTokens as imageTokensOp,
  patchify as patchifyOp,
  pool as poolOp,
  textTokens as textTokensOp,
} from '../wgsl/nn/tokens.ts';
import { withGpu } from './helpers/gpu.ts';
import { uniform } from './helpers/numbers.ts';
import { checkOp, near } from './helpers/vjp.ts';
import { imageTokens, patchify, pool, textTokens } from './reference/tokens.ts';

// These ops only move numbers and add two.
const TOLERANCE = 1e-6;

test('patchify, with pixels beyond the last whole patch', () =>
  withGpu(async (_, arena) => {
    for (const [side, patch] of [
      [8, 4],
      [11, 3],
    ]) {
      await checkOp(arena, {
        shapes: [[2, 3, side, side]],
        build: (graph, [pixels]) => patchifyOp(graph, 'patchify', pixels, patch),
        reference: ([pixels]) => patchify(pixels, 2, 3, side, patch),
        tolerance: TOLERANCE,
      });
    }
  }));

test('image tokens: class embedding first if there is one, positions added', () =>
  withGpu(async (_, arena) => {
    const [batch, count, width] = [3, 4, 5];
    const [classEmbedding, positions] = [uniform(width, 5), uniform((count + 1) * width, 6)];
    const weights = {
      classEmbedding: arena.upload('class', classEmbedding, 'test'),
      positionEmbedding: arena.upload('positions', positions, 'test'),
    };
    await checkOp(arena, {
      shapes: [[batch * count, width]],
      build: (graph, [patches]) => imageTokensOp(graph, 'tokens', patches, batch, weights),
      reference: ([patches]) => imageTokens(patches, batch, width, classEmbedding, positions),
      tolerance: TOLERANCE,
    });
    const { positionEmbedding } = weights;
    await checkOp(arena, {
      shapes: [[batch * count, width]],
      build: (graph, [patches]) => imageTokensOp(graph, 'bare', patches, batch, { positionEmbedding }),
      reference: ([patches]) => imageTokens(patches, batch, width, undefined, positions),
      tolerance: TOLERANCE,
    });
  }));

test('pooling selects one token of each sequence', () =>
  withGpu(async (_, arena) => {
    const indices = [2, 0, 4];
    const buffer = arena.upload('indices', Uint32Array.from(indices), 'test');
    await checkOp(arena, {
      shapes: [[3, 5, 4]],
      build: (graph, [tokens]) => poolOp(graph, 'pool', tokens, buffer),
      reference: ([tokens]) => pool(tokens, indices, 5, 4),
      tolerance: TOLERANCE,
    });
  }));

test('text tokens: each id’s embedding and its position’s', () =>
  withGpu(async (gpu, arena) => {
    const [vocabulary, width] = [11, 6];
    const ids = [
      [0, 3, 10],
      [7, 7, 1],
    ];
    const [embeddings, positions] = [uniform(vocabulary * width, 5), uniform(3 * width, 6)];
    const graph = new Graph();
    const output = textTokensOp(
      graph,
      'tokens',
      arena.upload('ids', Uint32Array.from(ids.flat()), 'test'),
      [2, 3, width],
      {
        tokenEmbedding: arena.upload('embeddings', embeddings, 'test'),
        positionEmbedding: arena.upload('positions', positions, 'test'),
      },
    );
    const program = await Program.compile(arena, graph, { outputs: [output] });
    gpu.run('test', (recorder) => program.recordForward(recorder));
    const found = await gpu.readFloats(program.buffer(output), 'test', 6 * width);
    near(found, textTokens(ids, embeddings, positions, width), TOLERANCE, 'tokens');
  }));

test.run();
