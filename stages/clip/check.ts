import { cpus } from 'node:os';
import { InputError } from '../../wgsl/core/index.ts';
import type { StylePrompt } from '../artefacts/style.ts';
import type { Reading } from '../stage.ts';
import { type ClipDescription, describeClip, modelFiles, tokenIds } from './directory.ts';
import { allFiles } from './model-files.ts';
import type { GivenCrops } from './options.ts';
import { resolveModel } from './resolve.ts';
import { textTensors, visionTensors } from './tensors.ts';
import { resolveWeightedPrompt } from './weighted-prompt.ts';
import { ModelWeights } from './weights.ts';

/**
 * Checks a model (see `resolveModel`) without a GPU: all files exist, configurations and tokenizer are supported, the weights have every
 * tensor in the shape of config.json, and all numbers are finite.
 *
 * @throws InputError as `openClip` does.
 */
export async function checkClip(model?: string): Promise<ClipDescription> {
  const description = await describeClip(model);
  const { files, towers, family } = description;
  const weights = await ModelWeights.open(files.weights, family.place);
  await weights.check(new Map([...visionTensors(towers), ...(files.onnxText ? [] : textTensors(towers))]));
  return description;
}

/** Checks the options of a CLIP target without a GPU. @throws InputError on a broken model, an empty prompt, or invalid crops. */
export async function checkClipTarget({
  prompt,
  model,
  crops,
}: {
  prompt: StylePrompt;
  model?: string;
  crops?: GivenCrops;
}): Promise<void> {
  if (crops) checkCrops(crops);
  const { parts } = await resolveWeightedPrompt(prompt);
  const description = await checkClip(model);
  for (const { text } of parts) tokenIds(description, text);
}

/** The files and texts that a CLIP target depends on: the model, and the text of the prompt. */
export async function clipTargetReads({
  prompt,
  model,
}: {
  prompt: StylePrompt;
  model?: string;
}): Promise<Reading> {
  const { files, texts } = await clipReads(model);
  const { parts } = await resolveWeightedPrompt(prompt);
  const named = parts.map(({ text }, i) => [i ? `prompt ${i + 1}` : 'prompt', text] as const);
  return { files, texts: { ...texts, ...Object.fromEntries(named) } };
}

/** What a model depends on: its files and, with an ONNX text encoder, the CPU, for which onnxruntime selects its code. */
export async function clipReads(model?: string): Promise<Reading> {
  const files = await modelFiles((await resolveModel(model)).folder);
  const cpu = files.onnxText ? cpus()[0]?.model : undefined;
  return { files: allFiles(files), texts: cpu ? { 'CPU of the text encoder': cpu } : {} };
}

/** @throws InputError when the smallest crop is larger than the largest. */
export function checkCrops({ scale: [smallest, largest] = [0, 1] }: GivenCrops): void {
  if (smallest > largest) {
    throw new InputError(`crops.scale is [smallest, largest], got [${smallest}, ${largest}]`);
  }
}
