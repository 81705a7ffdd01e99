import type { Gpu } from '../../wgsl/core/index.ts';
import { Graph } from '../../wgsl/nn/graph.ts';
import { layerNorm } from '../../wgsl/nn/layer-norm.ts';
import { linear } from '../../wgsl/nn/linear.ts';
import { Program } from '../../wgsl/nn/program.ts';
import { pool, textTokens } from '../../wgsl/nn/tokens.ts';
import { layerNames, textTensors } from './tensors.ts';
import { poolIndex, type Towers } from './towers.ts';
import { loadLayer, transformerLayer } from './transformer.ts';
import { type TensorSource, WeightLoader } from './weights.ts';

/**
 * Runs the text encoder on the GPU: ids [T, length], padded and below the vocabulary size → raw embeddings [T, D]. It runs
 * once per prompt, so weights and program exist only during this call.
 *
 * @throws InputError with the file and the tensor that is missing or invalid.
 */
export async function encodeTexts(
  gpu: Gpu,
  towers: Towers,
  weights: TensorSource,
  ids: readonly ArrayLike<number>[],
): Promise<Float32Array> {
  const { text, dimensions } = towers;
  const length = ids[0].length;
  const arena = gpu.arena('clip/text');
  try {
    const load = new WeightLoader(arena, weights, textTensors(towers));
    const embeddings = 'text_model.embeddings';
    const words = ids.flatMap((row) => Array.from(row));
    const used = [...new Set(words)];
    const table = await load.floats(`${embeddings}.token_embedding.weight`);
    const indices = Uint32Array.from(ids, (row) => poolIndex(row, text.pooling));
    const tokenWeights = {
      tokenEmbedding: arena.upload('words', gatherRows(table, used, text.width), 'weights'),
      positionEmbedding: await load.buffer(`${embeddings}.position_embedding.weight`),
    };
    const graph = new Graph();
    const rows = Uint32Array.from(words, (word) => used.indexOf(word));
    const idBuffer = arena.upload('ids', rows, 'parameters');
    let x = textTokens(graph, 'tokens', idBuffer, [ids.length, length, text.width], tokenWeights);
    for (let i = 0; i < text.layers; i++) {
      const layer = await loadLayer(load, layerNames('text_model', i), text, false);
      x = transformerLayer(graph, `layer${i}`, x, layer, text, { causal: text.isCausal });
    }
    // Normalising one token after pooling equals normalising all tokens before.
    const pooled = pool(graph, 'pool', x, arena.upload('indices', indices, 'parameters'));
    const after = await load.layerNorm('text_model.final_layer_norm', text.epsilon);
    const projection = await load.linear('text_projection');
    const output = linear(graph, 'projection', layerNorm(graph, 'after', pooled, after), projection);
    const program = await Program.compile(arena, graph, { outputs: [output] });
    gpu.run('clip/text', (recorder) => program.recordForward(recorder));
    return await gpu.readFloats(program.buffer(output), 'metrics', ids.length * dimensions);
  } finally {
    arena.destroy();
  }
}

/** The rows of a table that texts use: that of a large vocabulary is larger than a binding. */
function gatherRows(table: Float32Array, rows: readonly number[], width: number): Float32Array {
  const gathered = new Float32Array(rows.length * width);
  rows.forEach((row, i) => {
    gathered.set(table.subarray(row * width, (row + 1) * width), i * width);
  });
  return gathered;
}
