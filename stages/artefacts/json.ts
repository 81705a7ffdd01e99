import { readFile, stat } from 'node:fs/promises';
import type * as z from 'zod';
import { formatPlace } from '../../wgsl/core/errors.ts';
import { InputError } from '../../wgsl/core/index.ts';
import { excerpt, shortened } from './excerpt.ts';

/** Upper bound on JSON files; the tokenizer of a large multilingual model has about 20 MB. */
const JSON_LIMIT = 64 * 2 ** 20;

/** @throws InputError with the file and the position of the syntax error. */
export async function readJson(path: string): Promise<unknown> {
  let text: string;
  try {
    const { size } = await stat(path);
    if (size > JSON_LIMIT) {
      throw new InputError(`${size} bytes of JSON; at most ${JSON_LIMIT} are expected`, path);
    }
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(`cannot be read (${(error as NodeJS.ErrnoException).code ?? error})`, path);
  }
  return parseJson(text, path);
}

/** Parses JSON; `line` is the first line of `text` in the file. @throws InputError with the position of the syntax error. */
export function parseJson(text: string, file: string, line = 1): unknown {
  try {
    return JSON.parse(text);
  } catch {
    const end = validLength(text);
    const before = text.slice(0, end).split('\n');
    const place = { file, line: line + before.length - 1, column: before[before.length - 1].length + 1 };
    const found = end < text.length ? `unexpected ${JSON.stringify(text[end])}` : 'the text ends early';
    throw new InputError(`is not JSON: ${found}`, place);
  }
}

/** Characters of the longest beginning that some end makes JSON. V8 does not say where all of its errors are. */
function validLength(text: string): number {
  let [valid, invalid] = [0, text.length + 1];
  while (invalid - valid > 1) {
    const middle = (valid + invalid) >> 1;
    if (isBeginning(text.slice(0, middle))) valid = middle;
    else invalid = middle;
  }
  return valid;
}

function isBeginning(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch (error) {
    const { message } = error as Error;
    if (/^Unexpected end|^Unterminated string/.test(message)) return true;
    const position = /at position (\d+)/.exec(message)?.[1];
    return position !== undefined && Number(position) >= text.length;
  }
}

/** Checks parsed JSON against a schema. @throws InputError with the file and the first invalid key. */
export function checkJson<T>(path: string, schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const { path: keys, message } = parsed.error.issues[0];
  const found = message.replace(/^Invalid input: (expected .*), received undefined$/, 'is missing, $1');
  const key = keys.length ? `${keys.join('.')}: ` : '';
  throw new InputError(`${shortened(key)}${shortened(found)}`.replace(/\s+/g, ' '), path); // keys may have line ends
}

/** For `superRefine` of a list: each name once. */
export function namedOnce(items: readonly { name: string }[], context: z.RefinementCtx): void {
  const names = new Set<string>();
  const again = items.findIndex(({ name }) => names.size === names.add(name).size);
  if (again < 0) return;
  const message = `${excerpt(items[again].name)} appears twice`;
  context.addIssue({ code: 'custom', path: [again, 'name'], message });
}

/**
 * Reads JSON that an earlier run saved. @throws InputError with the file, the fault, and the stage to run again.
 */
export async function readSavedJson<T>(path: string, schema: z.ZodType<T>, stage: string): Promise<T> {
  try {
    return checkJson(path, schema, await readJson(path));
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const { message, place } = error;
    const found = place ? message.slice(`${formatPlace(place)}: `.length) : message;
    throw new InputError(`${found}; the saved file is damaged: run again from the ${stage} stage`, place);
  }
}
