import { openClip } from '../../stages/clip/model.ts';
import { ClipScorer } from '../../stages/clip/scorer.ts';
import type { Gpu } from '../../wgsl/core/index.ts';

/** The bits of a text's and a picture's embedding, and of the learnt scale of their cosines. */
export async function embeddings(gpu: Gpu, folder: string): Promise<Uint32Array[]> {
  const arena = gpu.arena('test');
  const [width, height] = [40, 30];
  const color = Float32Array.from({ length: width * height * 4 }, (_, i) => ((i * 7919) % 251) / 250);
  const picture = { color: arena.upload('picture', color, 'test'), width, height };
  const model = await openClip(gpu, folder);
  const scorer = await ClipScorer.create(gpu, model);
  const found = [
    await model.embedTexts(['a red chair', 'robot']),
    await scorer.embedImages([picture]),
    [await model.logitScale()],
  ];
  scorer.destroy();
  model.destroy();
  arena.destroy();
  return found.map((values) => new Uint32Array(Float32Array.from(values).buffer));
}
