import { access, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InputError } from '../../wgsl/core/index.ts';
import { type Family, readConfig } from './families/index.ts';
import { type Preprocessor, readPreprocessor } from './preprocessor.ts';
import { ClipTokenizer } from './tokenizer.ts';
import type { Towers } from './towers.ts';
import type { WeightFiles } from './weights.ts';

/** The small model of the package. */
export const DEMO_CLIP = fileURLToPath(new URL('../../prompts/demo-clip/', import.meta.url));

/** The required files of a model folder in the Hugging Face layout. */
const FILES = {
  config: 'config.json',
  tokenizer: 'tokenizer.json',
  preprocessor: 'preprocessor_config.json',
  weights: 'model.safetensors',
} as const;

/** Its optional files. */
const OPTIONAL = {
  tokenizerConfig: 'tokenizer_config.json',
  onnxText: 'onnx/text_model.onnx',
} as const;

/** The names of the required files. */
export const MODEL_FILES: readonly string[] = Object.values(FILES);

export interface ModelFiles {
  config: string;
  tokenizer: string;
  preprocessor: string;
  weights: WeightFiles;
  tokenizerConfig?: string;
  /** The text encoder as an ONNX graph. */
  onnxText?: string;
}

/** All files of a model. */
export function allFiles({ weights, ...files }: ModelFiles): string[] {
  return [...new Set([...Object.values(files), weights.path, ...weights.parts])];
}

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
  const folder = await stat(directory).catch(() => undefined);
  if (!folder?.isDirectory()) {
    const hub = !folder && HUB_NAME.test(directory);
    throw new InputError(
      hub
        ? `looks like a name on the Hugging Face Hub; models are not downloaded here. Fetch it with \`${fetchLine(directory)}\` and set \`model\` to that folder`
        : `is ${folder ? 'not a folder' : 'missing'}; a CLIP model's folder is expected. ${advice()}`,
      directory,
    );
  }
  const path = (file: string) => join(directory, file);
  const missing = [];
  for (const file of MODEL_FILES) if (!(await exists(path(file)))) missing.push(file);
  if (missing.length) {
    throw new InputError(`lacks ${missing.join(', ')} of the Hugging Face layout. ${advice()}`, directory);
  }
  const files: ModelFiles = {
    config: path(FILES.config),
    tokenizer: path(FILES.tokenizer),
    preprocessor: path(FILES.preprocessor),
    weights: { path: path(FILES.weights), parts: [path(FILES.weights)] },
  };
  for (const [role, file] of Object.entries(OPTIONAL) as [keyof typeof OPTIONAL, string][]) {
    if (await exists(path(file))) files[role] = path(file);
  }
  return files;
}

function advice(): string {
  return `To download a full one: ${GET_CLIP}; the small one of the package is ${relative('.', DEMO_CLIP) || DEMO_CLIP}`;
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
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
  return {
    files,
    family,
    towers,
    preprocessor: await readPreprocessor(files.preprocessor, towers.vision.imageSize),
    tokenizer: await ClipTokenizer.read(files.tokenizer, files.tokenizerConfig, towers.text.vocabulary),
  };
}

/** Ids of a text, padded to the context length. @throws InputError when the tokenizer does not match the model. */
export function tokenIds({ tokenizer, towers }: ClipDescription, text: string): number[] {
  return tokenizer.encode(text, towers.text.length);
}
