import { meanDirection } from './encoder.ts';
import type { ClipModel } from './model.ts';
import { TEMPLATES, type TemplateSet } from './templates.ts';
import { cancelled, type WeightedPrompt } from './weighted-prompt.ts';

/** Shorter sums of unit vectors have no direction. */
const MIN_LENGTH = 1e-3;

/** The mean direction f32 [D] of the embeddings of a text in each template, of unit length. */
export async function embedInTemplates(
  model: ClipModel,
  text: string,
  set: TemplateSet,
): Promise<Float32Array> {
  const texts = TEMPLATES[set].map((template) => template.replace('{}', () => text));
  return meanDirection(await model.embedTexts(texts), model.dimensions);
}

/**
 * The embedding f32 [D] of a prompt, of unit length: the sum of weight · unit embedding over its texts.
 * @throws InputError when the texts cancel each other.
 */
export async function embedPrompt(
  model: ClipModel,
  { name, parts }: WeightedPrompt,
  templates: TemplateSet = 'none',
): Promise<Float32Array> {
  const embed = (text: string) =>
    templates === 'none' ? model.embedTexts([text]) : embedInTemplates(model, text, templates);
  const [first] = parts;
  if (parts.length === 1 && first.weight === 1) return embed(first.text);
  const sum = new Float64Array(model.dimensions);
  for (const { text, weight } of parts) {
    const embeds = await embed(text);
    embeds.forEach((value, i) => {
      sum[i] += weight * value;
    });
  }
  const length = Math.hypot(...sum);
  if (length < MIN_LENGTH) throw cancelled(name);
  return Float32Array.from(sum, (value) => value / length);
}
