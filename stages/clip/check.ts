import { cpus } from 'node:os';
import { InputError } from '../../wgsl/core/index.ts';
import type { Reading } from '../stage.ts';
import { type ClipDescription, DEMO_CLIP, describeClip, modelFiles, tokenIds } from './directory.ts';
import type { CropOptions } from './options.ts';
import { resolvePrompt } from './prompts.ts';
import { checkSafetensorsFinite, readSafetensorsHeader } from './safetensors.ts';
import { checkTensor, textTensors, visionTensors } from './tensors.ts';

/**
 * Looks at a model folder without a GPU: its files are there, the configurations and the tokenizer are of the known kind,
 * the weights' header lists every tensor in the shape that config.json says, and their numbers are finite.
 *
 * @throws InputError as `openClip` would.
 */
export async function checkClip(directory = DEMO_CLIP): Promise<ClipDescription> {
  const description = await describeClip(directory);
  const { files, config } = description;
  const { entries } = await readSafetensorsHeader(files.weights);
  const found = new Map(entries.map((entry) => [entry.name, entry]));
  const expected = [...visionTensors(config), ...(files.onnxText ? [] : textTensors(config))];
  for (const [name, shape] of expected) checkTensor(files.weights, name, shape, found.get(name));
  await checkSafetensorsFinite(files.weights, new Set(expected.map(([name]) => name)));
  return description;
}

/** Looks at what `openClipTarget` will open. @throws InputError on a broken model, an empty prompt, impossible crops. */
export async function checkClipTarget({
  prompt,
  model,
  crops,
}: {
  prompt: string;
  model?: string;
  crops?: CropOptions;
}): Promise<void> {
  if (crops) checkCrops(crops);
  const { text } = await resolvePrompt(prompt);
  tokenIds(await checkClip(model), text);
}

/** What a CLIP target depends on: the model, and the text that the prompt stands for. */
export async function clipTargetReads({
  prompt,
  model,
}: {
  prompt: string;
  model?: string;
}): Promise<Reading> {
  const { files, texts } = await clipReads(model);
  return { files, texts: { ...texts, prompt: (await resolvePrompt(prompt)).text } };
}

/** What a model depends on: its files, and where they hold an ONNX text encoder, the CPU by which onnxruntime picks its code. */
export async function clipReads(model = DEMO_CLIP): Promise<Reading> {
  const files = await modelFiles(model);
  const cpu = files.onnxText ? cpus()[0]?.model : undefined;
  return { files: Object.values(files), texts: cpu ? { 'CPU of the text encoder': cpu } : {} };
}

/** @throws InputError when the smallest crop is above the largest. */
export function checkCrops({ scale: [smallest, largest] }: CropOptions): void {
  if (smallest > largest) {
    throw new InputError(`crops.scale is [smallest, largest], got [${smallest}, ${largest}]`);
  }
}
