import type { Gpu } from '../../wgsl/core/index.ts';
import { Graph } from '../../wgsl/nn/graph.ts';
import { layerNorm } from '../../wgsl/nn/layer-norm.ts';
import { linear } from '../../wgsl/nn/linear.ts';
import { Program } from '../../wgsl/nn/program.ts';
import { pool, textTokens } from '../../wgsl/nn/tokens.ts';
import { textTensors } from './tensors.ts';
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
    const words = Uint32Array.from(ids.flatMap((row) => Array.from(row)));
    const indices = Uint32Array.from(ids, (row) => poolIndex(row, text.pooling));
    const embeddings = 'text_model.embeddings';
    const tokenWeights = {
      tokenEmbedding: await load.buffer(`${embeddings}.token_embedding.weight`),
      positionEmbedding: await load.buffer(`${embeddings}.position_embedding.weight`),
    };
    const graph = new Graph();
    const idBuffer = arena.upload('ids', words, 'parameters');
    let x = textTokens(graph, 'tokens', idBuffer, [ids.length, length, text.width], tokenWeights);
    for (let i = 0; i < text.layers; i++) {
      const layer = await loadLayer(load, `text_model.encoder.layers.${i}`, text, false);
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
