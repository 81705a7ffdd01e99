import { readJson } from '../artefacts/json.ts';
import { type Family, readConfig } from './families/index.ts';
import { type ModelFiles, readModelFolder } from './model-files.ts';
import type { Preprocessor } from './preprocessor.ts';
import { DEMO_ADVICE, FULL_CLIP, type ModelFolder, resolveModel } from './resolve.ts';
import { type ClipTokenizer, readTokenizer } from './tokenizer.ts';
import type { Towers } from './towers.ts';

const ADVICE = `\`model: ${FULL_CLIP}\` is a full one; ${DEMO_ADVICE}`;

/** @throws InputError with the folder, and all missing files or what to convert. */
export function modelFiles(directory: string): Promise<ModelFiles> {
  return readModelFolder(directory, ADVICE);
}

/** A CLIP model without its weights. */
export interface ClipDescription extends ModelFolder {
  files: ModelFiles;
  family: Family;
  towers: Towers;
  preprocessor: Preprocessor;
  tokenizer: ClipTokenizer;
}

/** @throws InputError with the file and its fault. */
export async function describeClip(model?: string): Promise<ClipDescription> {
  const source = await resolveModel(model);
  const files = await modelFiles(source.folder);
  const { family, towers } = await readConfig(files.config);
  const processor = files.preprocessor ?? files.config;
  const { imageSize } = towers.vision;
  return {
    ...source,
    // SigLIP's ONNX graphs have other outputs.
    files: { ...files, onnxText: family.tokens === 'clip' ? files.onnxText : undefined },
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
