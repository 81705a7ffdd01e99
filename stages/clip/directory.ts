import { existsSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InputError } from '../../wgsl/core/index.ts';
import { readJson } from '../artefacts/json.ts';
import { type Family, readConfig } from './families/index.ts';
import { type ModelFiles, readModelFolder } from './model-files.ts';
import type { Preprocessor } from './preprocessor.ts';
import { type ClipTokenizer, readTokenizer } from './tokenizer.ts';
import type { Towers } from './towers.ts';

/** The small model of the package. */
export const DEMO_CLIP = fileURLToPath(new URL('../../prompts/demo-clip/', import.meta.url));

/** `owner/name`, as the Hugging Face Hub names models. */
const HUB_NAME = /^[\w-][\w.-]*\/[\w-][\w.-]*$/;

/** The command that downloads a model of the Hugging Face Hub. */
function fetchLine(name: string, folder = `models/${name.split('/')[1]}`): string {
  return `hf download ${name} config.json tokenizer.json tokenizer_config.json preprocessor_config.json model.safetensors --local-dir ${folder}`;
}

/** The command that fetches a full CLIP model. */
export const GET_CLIP = fetchLine('laion/CLIP-ViT-B-32-laion2B-s34B-b79K', 'models/clip-vit-b-32');

/** @throws InputError with the folder, all missing files, and the command that fetches a model. */
export async function modelFiles(directory: string): Promise<ModelFiles> {
  if (!existsSync(directory) && HUB_NAME.test(directory)) {
    throw new InputError(
      `looks like a name on the Hugging Face Hub; models are not downloaded here. Fetch it with \`${fetchLine(directory)}\` and set \`model\` to that folder`,
      directory,
    );
  }
  return readModelFolder(directory, advice());
}

function advice(): string {
  return `To download a full one: ${GET_CLIP}; the small one of the package is ${relative('.', DEMO_CLIP) || DEMO_CLIP}`;
}

/** A CLIP model without its weights. */
export interface ClipDescription {
  files: ModelFiles;
  family: Family;
  towers: Towers;
  preprocessor: Preprocessor;
  tokenizer: ClipTokenizer;
}

/** @throws InputError with the file and its fault. */
export async function describeClip(directory: string): Promise<ClipDescription> {
  const files = await modelFiles(directory);
  const { family, towers } = await readConfig(files.config);
  const processor = files.preprocessor ?? files.config;
  const { imageSize } = towers.vision;
  return {
    files,
    family,
    towers,
    preprocessor: family.preprocessor(processor, await readJson(processor), imageSize),
    tokenizer: await readTokenizer(files, family.tokens, towers.text.vocabulary),
  };
}

/** Ids of a text, padded to the context length. @throws InputError when the tokenizer does not match the model. */
export function tokenIds({ tokenizer, towers }: ClipDescription, text: string): number[] {
  return tokenizer.encode(text, towers.text.length);
}
