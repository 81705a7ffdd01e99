import type { StylePrompt } from '../artefacts/style.ts';
import { type Prompt, resolvePrompt } from './prompts.ts';

/** One or more prompts with weights. */
export interface WeightedPrompt {
  /** For messages and scores: the name of a single prompt, or `wood + 0.5·red − 0.3·a photo`. */
  name: string;
  parts: readonly WeightedText[];
}

interface WeightedText extends Prompt {
  weight: number;
}

/** Each text by its name in the prompt library, or as it is. @throws InputError as `resolvePrompt` does. */
export async function resolveWeightedPrompt(prompt: StylePrompt, path?: string): Promise<WeightedPrompt> {
  const given = typeof prompt === 'string' ? [{ text: prompt, weight: 1 }] : prompt;
  const parts: WeightedText[] = [];
  for (const { text, weight } of given) parts.push({ ...(await resolvePrompt(text, path)), weight });
  return { name: typeof prompt === 'string' ? parts[0].name : nameOf(parts), parts };
}

function nameOf(parts: readonly WeightedText[]): string {
  const terms = parts.map(({ name, weight }, i) => {
    const sign = weight < 0 ? '− ' : i ? '+ ' : '';
    const size = Math.abs(weight);
    return `${sign}${size === 1 ? '' : `${size}·`}${name}`;
  });
  return terms.join(' ');
}
