import { readFile, stat } from 'node:fs/promises';
import type * as z from 'zod';
import { InputError } from '../../wgsl/core/index.ts';

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
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new InputError(`is not JSON: ${(error as Error).message}`, path);
  }
}

/** Checks parsed JSON against a schema. @throws InputError with the file and the first invalid key. */
export function checkJson<T>(path: string, schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const { path: keys, message } = parsed.error.issues[0];
  throw new InputError(`${keys.length ? `${keys.join('.')}: ` : ''}${message}`, path);
}

/**
 * Reads JSON that an earlier run saved. @throws InputError with the file, the fault, and the stage to run again.
 */
export async function readSavedJson<T>(path: string, schema: z.ZodType<T>, stage: string): Promise<T> {
  try {
    return checkJson(path, schema, await readJson(path));
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const found = error.message.slice(`${path}: `.length);
    throw new InputError(`${found}; the saved file is damaged: run again from the ${stage} stage`, path);
  }
}
