import { type ClipConfig, readClipConfig } from './config.ts';
import { type ModelFiles, modelFiles } from './directory.ts';
import { type Preprocessor, readPreprocessor } from './preprocessor.ts';
import { ClipTokenizer } from './tokenizer.ts';

/** All of a CLIP model but its weights. */
export interface ClipDescription {
  files: ModelFiles;
  config: ClipConfig;
  preprocessor: Preprocessor;
  tokenizer: ClipTokenizer;
}

/** @throws InputError naming the file and what is wrong with it. */
export async function describeClip(directory: string): Promise<ClipDescription> {
  const files = await modelFiles(directory);
  const config = await readClipConfig(files.config);
  return {
    files,
    config,
    preprocessor: await readPreprocessor(files.preprocessor, config.vision_config.image_size),
    tokenizer: await ClipTokenizer.read(files.tokenizer, files.tokenizerConfig, config.text_config),
  };
}

/** Ids of a text, padded to the model's context length. @throws InputError when the tokenizer is another model's. */
export function tokenIds({ tokenizer, config }: ClipDescription, text: string): number[] {
  return tokenizer.encode(text, config.text_config.max_position_embeddings);
}
