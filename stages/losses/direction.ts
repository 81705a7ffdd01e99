import * as z from 'zod';
import { InputError } from '../../wgsl/core/index.ts';
import { dispatchDirectionLoss } from '../../wgsl/nn/direction-loss.ts';
import type { Loss, LossContext } from './loss.ts';

/** The text that the direction of a prompt starts from. */
export const SOURCE = 'a photo';
export const sourceText = z.string().trim().min(1).describe('Text that describes the splat before restyling');

export interface DirectionTerm {
  /** Of the loss, for the progress line and for labels. */
  name: string;
  /** Key of its crops. */
  crops: string;
  source: string;
  /** Whether the base's embedding is that of its whole view, or of the same crop. */
  from: 'view' | 'crop';
  threshold: number;
}

/** The mean over crops of 1 − cos(E(crop) − E(base), E(prompt) − E(source)), all E of unit length. */
export async function directionLoss(
  { gpu, arena, weight, encoder, texts }: LossContext,
  { name, crops, source, from, threshold }: DirectionTerm,
): Promise<Loss> {
  const { embeds, gradEmbeds, dimensions, base } = encoder!;
  const { first, count } = encoder!.rows(crops);
  const losses = arena.buffer(`${name}/losses`, 4 * count);
  const direction = directionOf(texts.target, await texts.embed(source), source);
  const { bound, groups } = await dispatchDirectionLoss(
    { arena, target: gpu.target },
    {
      rows: count,
      width: dimensions,
      firstRow: first,
      firstBase: from === 'crop' ? first : undefined,
      weight,
      threshold,
    },
    {
      embeds,
      base: from === 'crop' ? base.crops! : base.view!,
      direction: arena.upload(`${name}/direction`, direction, 'parameters'),
      losses,
      gradEmbeds,
    },
  );
  return {
    recordEmbeds: (recorder) => void recorder.run(bound, groups),
    metrics: {
      buffer: losses,
      words: count,
      read: (words) => ({ [name]: words.reduce((sum, loss) => sum + loss, 0) / words.length }),
    },
  };
}

/** The unit vector from the source text to the prompt. */
function directionOf(target: Float32Array, source: Float32Array, text: string): Float32Array {
  const difference = target.map((value, i) => value - source[i]);
  const length = Math.hypot(...difference);
  if (length < 1e-6) throw oneText(text);
  return difference.map((value) => value / length);
}

/** The error about a source without a direction to the prompt. */
export function oneText(source: string): InputError {
  return new InputError(
    `the prompt and the source ${JSON.stringify(source)} are one text to the CLIP model; change one`,
  );
}
