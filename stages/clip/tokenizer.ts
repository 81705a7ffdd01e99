import type { Tokenizer } from '@huggingface/tokenizers';
import { InputError } from '../../wgsl/core/index.ts';
import { readJson } from '../artefacts/json.ts';

/** Converts texts to CLIP's ids: start, words, end, then padding, of a fixed length. */
export class ClipTokenizer {
  readonly #tokenizer: Tokenizer;
  readonly #path: string;
  readonly #vocabulary: number;

  private constructor(tokenizer: Tokenizer, path: string, vocabulary: number) {
    this.#tokenizer = tokenizer;
    this.#path = path;
    this.#vocabulary = vocabulary;
  }

  /** @throws InputError with the file, when the library does not support its tokenizer. */
  static async read(
    path: string,
    configPath: string | undefined,
    vocabulary: number,
  ): Promise<ClipTokenizer> {
    const { Tokenizer } = await import('@huggingface/tokenizers');
    const [model, config] = [await readJson(path), configPath ? await readJson(configPath) : {}];
    try {
      return new ClipTokenizer(new Tokenizer(Object(model), Object(config)), path, vocabulary);
    } catch (error) {
      throw new InputError(
        `is not a tokenizer that @huggingface/tokenizers reads: ${(error as Error).message}`,
        path,
      );
    }
  }

  /**
   * Exactly `length` ids of a text. A text that is too long loses its last words but keeps the end mark, as in transformers.
   * Padding repeats the end mark: attention is causal and both pooling rules take the first end mark, so that padding does
   * not affect the result.
   */
  encode(text: string, length: number): number[] {
    // The types of the package do not resolve under NodeNext.
    const ids: number[] = this.#tokenizer.encode(text).ids;
    const wrong = ids.findIndex((id) => !Number.isInteger(id) || id < 0 || id >= this.#vocabulary);
    if (wrong >= 0 || ids.length < 2) {
      const found =
        wrong >= 0
          ? `id ${ids[wrong]}, of a vocabulary of ${this.#vocabulary} in config.json`
          : `${ids.length} ids`;
      throw new InputError(
        `encodes ${JSON.stringify(text)} as ${found}: the tokenizer does not belong to this model`,
        this.#path,
      );
    }
    const end = ids[ids.length - 1];
    const truncated = ids.length > length ? [...ids.slice(0, length - 1), end] : ids;
    return [...truncated, ...Array<number>(length - truncated.length).fill(end)];
  }
}
