import { InputError } from '../../wgsl/core/index.ts';
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

/**
 * Each text by its name in the prompt library, or as it is.
 * @throws InputError as `resolvePrompt` does, and when the weights add up to no text.
 */
export async function resolveWeightedPrompt(prompt: StylePrompt, path?: string): Promise<WeightedPrompt> {
  const given = typeof prompt === 'string' ? [{ text: prompt, weight: 1 }] : prompt;
  const parts: WeightedText[] = [];
  for (const { text, weight } of given) parts.push({ ...(await resolvePrompt(text, path)), weight });
  const name = typeof prompt === 'string' ? parts[0].name : nameOf(parts);
  if (isNothing(parts)) throw cancelled(name);
  return { name, parts };
}

/** Whether the weights of each text add up to 0. */
function isNothing(parts: readonly WeightedText[]): boolean {
  return parts.every(({ text }) => {
    const same = parts.filter((part) => part.text === text);
    return Math.abs(same.reduce((sum, { weight }) => sum + weight, 0)) < 1e-9;
  });
}

/** The error about a prompt without a direction. */
export function cancelled(name: string): InputError {
  return new InputError(
    `the texts of the prompt ${JSON.stringify(name)} cancel each other; change their weights`,
  );
}

function nameOf(parts: readonly WeightedText[]): string {
  const terms = parts.map(({ name, weight }, i) => {
    const sign = weight < 0 ? '− ' : i ? '+ ' : '';
    const size = Math.abs(weight);
    return `${sign}${size === 1 ? '' : `${size}·`}${name}`;
  });
  return terms.join(' ');
}
