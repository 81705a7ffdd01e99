import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import * as z from 'zod';
import { InputError } from '../../wgsl/core/index.ts';
import { excerpt, shortened } from '../artefacts/excerpt.ts';
import { checkJson, readJson } from '../artefacts/json.ts';
import { readSafetensorsHeader } from './safetensors.ts';
import type { WeightFiles } from './weights.ts';

/** The files of a model: paths, or names relative to its folder. */
export interface ModelFiles {
  config: string;
  tokenizer: string;
  weights: WeightFiles;
  /** OpenCLIP's own layout has none. */
  preprocessor?: string;
  tokenizerConfig?: string;
  /** The text encoder as an ONNX graph. */
  onnxText?: string;
}

/** The layouts, the preferred first: the configuration and the name of the weights without its ending. */
const LAYOUTS = [
  { config: 'config.json', weights: 'model', binary: /^pytorch_model.*\.bin$/ },
  { config: 'open_clip_config.json', weights: 'open_clip_model', binary: /^open_clip_pytorch_model.*\.bin$/ },
] as const;

/** Current versions of transformers save the second. */
const PREPROCESSORS = ['preprocessor_config.json', 'processor_config.json'];
const ONNX_TEXT = 'onnx/text_model.onnx';

/** Chooses the files of a model from the names in its folder or repository; otherwise says what is wrong, as a predicate. */
export function chooseFiles(names: readonly string[]): ModelFiles | { fault: string } {
  const has = (name: string) => names.includes(name);
  const optional = (name: string) => (has(name) ? name : undefined);
  const candidates = LAYOUTS.filter(({ config }) => has(config));
  const binaryOf = ({ binary }: (typeof LAYOUTS)[number]) => names.find((name) => binary.test(name));
  const layout =
    candidates.find(({ weights }) => weightFiles(names, weights)) ??
    candidates.find(binaryOf) ??
    candidates[0] ??
    LAYOUTS[0];
  const isTransformers = layout === LAYOUTS[0];
  const weights = weightFiles(names, layout.weights);
  const preprocessor = isTransformers ? PREPROCESSORS.find(has) : undefined;
  const missing = [layout.config, 'tokenizer.json'].filter((name) => !has(name));
  if (isTransformers && !preprocessor) missing.push(PREPROCESSORS[0]);
  const binary = binaryOf(layout);
  if (!weights && binary && candidates.length) return { fault: binaryFault(binary, isTransformers) };
  if (!weights) missing.push(`${layout.weights}.safetensors`);
  if (missing.length || !weights) {
    const advice = missing.includes('tokenizer.json') ? tokenizerAdvice(names, isTransformers) : '';
    return { fault: `lacks ${missing.join(', ')} of the Hugging Face layout${advice}` };
  }
  return {
    config: layout.config,
    tokenizer: 'tokenizer.json',
    weights,
    preprocessor,
    tokenizerConfig: optional('tokenizer_config.json'),
    onnxText: isTransformers ? optional(ONNX_TEXT) : undefined,
  };
}

/** One file, or an index and all of its shards. */
function weightFiles(names: readonly string[], stem: string): WeightFiles | undefined {
  const whole = `${stem}.safetensors`;
  if (names.includes(whole)) return { path: whole, parts: [whole] };
  const index = `${whole}.index.json`;
  const shard = new RegExp(`^${stem}-\\d+-of-(\\d+)\\.safetensors$`);
  const parts = names.filter((name) => shard.test(name)).sort();
  const isComplete = parts.length > 0 && parts.length === Number(shard.exec(parts[0])?.[1]);
  return isComplete && names.includes(index) ? { path: index, parts } : undefined;
}

function binaryFault(name: string, isTransformers: boolean): string {
  const line = isTransformers
    ? `from transformers import AutoModel; AutoModel.from_pretrained('.').save_pretrained('.')`
    : 'import torch, safetensors.torch as s; s.save_file({k: v.clone() for k, v in ' +
      `torch.load('${name}', weights_only=True).items()}, 'open_clip_model.safetensors')`;
  return `has its weights as ${name} only, a Python program that is not read. Convert them in that folder: python3 -c "${line}"`;
}

function tokenizerAdvice(names: readonly string[], isTransformers: boolean): string {
  if (!isTransformers) {
    return '; OpenCLIP’s own vocabulary is that of CLIP: add tokenizer.json of openai/clip-vit-base-patch32';
  }
  const isSentencePiece = ['spiece.model', 'tokenizer.model'].find((name) => names.includes(name));
  return isSentencePiece ? `; ${isSentencePiece} alone is not read: add a tokenizer.json made from it` : '';
}

/** All files of a model, the configuration first. */
export function allFiles({ weights, ...files }: ModelFiles): string[] {
  const others = Object.values(files).filter((file) => file !== undefined);
  return [...new Set([...others, weights.path, ...weights.parts])];
}

/** The files of a model's folder. @throws InputError with the folder, and all missing files or what to convert. */
export async function readModelFolder(directory: string, advice: string): Promise<ModelFiles> {
  const folder = await stat(directory).catch(() => undefined);
  if (!folder?.isDirectory()) {
    const fault = folder ? 'not a folder' : 'missing';
    throw new InputError(`is ${fault}; a CLIP model's folder is expected. ${advice}`, directory);
  }
  const names = await readdir(directory);
  if (await stat(join(directory, ONNX_TEXT)).catch(() => undefined)) names.push(ONNX_TEXT);
  const chosen = chooseFiles(names);
  if ('fault' in chosen) throw new InputError(`${chosen.fault}. ${advice}`, directory);
  const path = (name: string) => join(directory, name);
  const optional = (name?: string) => name && path(name);
  const files = {
    config: path(chosen.config),
    tokenizer: path(chosen.tokenizer),
    preprocessor: optional(chosen.preprocessor),
    weights: { path: path(chosen.weights.path), parts: chosen.weights.parts.map(path) },
    tokenizerConfig: optional(chosen.tokenizerConfig),
    onnxText: optional(chosen.onnxText),
  };
  if (files.weights.parts.length > 1) await checkIndex(files.weights);
  return files;
}

const indexSchema = z.object({ weight_map: z.record(z.string(), z.string()) });

/** @throws InputError when the index of the shards places a tensor elsewhere than their headers do, or lacks one. */
async function checkIndex({ path, parts }: WeightFiles): Promise<void> {
  const { weight_map } = checkJson(path, indexSchema, await readJson(path));
  const shards = new Map<string, string[]>();
  for (const part of parts) {
    const { entries } = await readSafetensorsHeader(part);
    for (const { name } of entries) shards.set(name, [...(shards.get(name) ?? []), basename(part)]);
  }
  const fail = (tensor: string, fault: string) =>
    new InputError(`places tensor ${excerpt(tensor)} ${fault}; fetch the model again`, path);
  for (const [tensor, file] of Object.entries(weight_map)) {
    const found = shards.get(tensor);
    if (!found) throw fail(tensor, `in ${shortened(file)}, and no shard has it`);
    if (!found.includes(file)) throw fail(tensor, `in ${shortened(file)}, and it is in ${found[0]}`);
  }
  for (const [tensor, [shard]] of shards) {
    if (!Object.hasOwn(weight_map, tensor)) throw fail(tensor, `nowhere, and it is in ${shard}`);
  }
}
