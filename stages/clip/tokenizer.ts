import type { Tokenizer } from '@huggingface/tokenizers';
import * as z from 'zod';
import { InputError } from '../../wgsl/core/index.ts';
import { checkJson, readJson } from '../artefacts/json.ts';

/**
 * How texts become token ids. `clip`: start, words, end; padded with the end mark. `siglip`: cleaned words and the end mark;
 * padded with the padding mark.
 */
export type TokenRule = 'clip' | 'siglip';

const token = z
  .union([z.string(), z.object({ content: z.string() })])
  .transform((mark) => (typeof mark === 'string' ? mark : mark.content));

/** What `tokenizer_config.json` adds to `tokenizer.json`. */
const configSchema = z.object({
  bos_token: token.nullish(),
  eos_token: token.nullish(),
  pad_token: token.nullish(),
  add_bos_token: z.boolean().nullish(),
  add_eos_token: z.boolean().nullish(),
  do_lower_case: z.boolean().nullish(),
  padding_side: z.enum(['left', 'right']).nullish(),
});

/** The parts of `tokenizer.json` that `@huggingface/tokenizers` leaves to its caller. */
const modelSchema = z.object({
  model: z.object({ type: z.string().optional() }),
  padding: z
    .object({ direction: z.string().optional(), pad_id: z.number().optional() })
    .nullish()
    .catch(undefined),
});

/** @throws InputError with the file, when the library does not support its tokenizer, or a mark is missing. */
export async function readTokenizer(
  files: { tokenizer: string; tokenizerConfig?: string },
  rule: TokenRule,
  vocabulary: number,
): Promise<ClipTokenizer> {
  const { Tokenizer } = await import('@huggingface/tokenizers');
  const { tokenizer: path, tokenizerConfig } = files;
  const [model, config] = [await readJson(path), tokenizerConfig ? await readJson(tokenizerConfig) : {}];
  let tokenizer: Tokenizer;
  try {
    tokenizer = new Tokenizer(Object(model), Object(config));
  } catch (error) {
    // Anything else than its own errors is a part that it expects and does not find.
    const { name, message } = error as Error;
    const found =
      name === 'Error' ? message.split('\n')[0].replace('undefined', 'missing') : 'it lacks a part';
    throw new InputError(`is not a tokenizer that @huggingface/tokenizers reads: ${found}`, path);
  }
  const encoder =
    rule === 'clip'
      ? clipEncoder(tokenizer)
      : siglipEncoder(
          tokenizer,
          path,
          checkJson(path, modelSchema, model),
          checkJson(tokenizerConfig ?? path, configSchema, config),
        );
  return new ClipTokenizer(encoder, path, vocabulary);
}

/** Texts to ids of a fixed length. */
export class ClipTokenizer {
  readonly #encoder: TextEncoding;
  readonly #path: string;
  readonly #vocabulary: number;

  constructor(encoder: TextEncoding, path: string, vocabulary: number) {
    this.#encoder = encoder;
    this.#path = path;
    this.#vocabulary = vocabulary;
  }

  /**
   * Exactly `length` ids of a text. A text that is too long loses its last words but keeps the end mark, as in transformers.
   * @throws InputError when the ids are not those of the model's vocabulary.
   */
  encode(text: string, length: number): number[] {
    const { ids, end, padding, isPaddedLeft } = this.#encoder(text);
    const fail = (found: string) =>
      new InputError(
        `encodes ${JSON.stringify(text)} as ${found}: the tokenizer does not belong to this model`,
        this.#path,
      );
    const wrong = ids.findIndex((id) => !Number.isInteger(id) || id < 0 || id >= this.#vocabulary);
    if (wrong >= 0) throw fail(`id ${ids[wrong]}, of a vocabulary of ${this.#vocabulary} in config.json`);
    if (end === undefined) throw fail(`${ids.length} ids`);
    const endsInMark = ids[ids.length - 1] === end;
    const first = ids.slice(0, length);
    const cut = endsInMark && ids.length > length ? [...first.slice(0, -1), end] : first;
    const rest = Array<number>(length - cut.length).fill(padding ?? end);
    return isPaddedLeft ? [...rest, ...cut] : [...cut, ...rest];
  }
}

/** All ids of a text, and how to cut and pad them. Without `end`, the tokenizer is not one of this rule. */
type TextEncoding = (text: string) => {
  ids: number[];
  end?: number;
  /** `end` unless given. */
  padding?: number;
  isPaddedLeft?: boolean;
};

/** Attention is causal and pooling takes the first end mark, so that padding with it does not affect the result. */
function clipEncoder(tokenizer: Tokenizer): TextEncoding {
  return (text) => {
    // The types of the package do not resolve under NodeNext.
    const ids: number[] = tokenizer.encode(text).ids;
    return { ids, end: ids.length < 2 ? undefined : ids[ids.length - 1] };
  };
}

/**
 * As transformers' SiglipTokenizer with a Unigram model (SigLIP), and as its Siglip2Tokenizer with Gemma's BPE (SigLIP 2): both in
 * lower case, the first without punctuation. Padding matters: every token attends to it, and the last one is the embedding.
 */
function siglipEncoder(
  tokenizer: Tokenizer,
  path: string,
  { model, padding }: z.output<typeof modelSchema>,
  config: z.output<typeof configSchema>,
): TextEncoding {
  const idOf = (mark: string | null | undefined): number | undefined =>
    mark ? tokenizer.token_to_id(mark) : undefined;
  const pad = idOf(config.pad_token) ?? padding?.pad_id;
  if (pad === undefined) {
    throw new InputError(
      'has no padding mark; add tokenizer_config.json of the model, with its pad_token',
      path,
    );
  }
  const isUnigram = model.type === 'Unigram';
  const end = idOf(config.eos_token) ?? idOf(isUnigram ? '</s>' : '<eos>');
  const isPaddedLeft = (config.padding_side ?? padding?.direction?.toLowerCase()) === 'left';
  const lower = (text: string) => (config.do_lower_case === false ? text : text.toLowerCase());
  const plain = (text: string): number[] => tokenizer.encode(text, { add_special_tokens: false }).ids;
  const marks = (isWanted: boolean | null | undefined, id: number | undefined) =>
    isWanted && id !== undefined ? [id] : [];
  const encode = (text: string): number[] => {
    if (isUnigram) return [...plain(withoutPunctuation(lower(text))), ...marks(true, end)];
    const { add_bos_token: hasBegin, add_eos_token: hasEnd, bos_token } = config;
    if (hasBegin == null && hasEnd == null) return tokenizer.encode(lower(text)).ids;
    return [...marks(hasBegin, idOf(bos_token)), ...plain(lower(text)), ...marks(hasEnd, end)];
  };
  return (text) => ({ ids: encode(text), end, padding: pad, isPaddedLeft });
}

/** Removes the punctuation of ASCII (Python's string.punctuation) and joins white space. */
function withoutPunctuation(text: string): string {
  return text
    .replace(/[!-/:-@[-`{-~]/g, '')
    .replace(/\s+/g, ' ')
    .trim();
}
