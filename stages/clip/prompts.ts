import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parse, YAMLParseError } from 'yaml';
import { z } from 'zod';
import { InputError } from '../../wgsl/core/index.ts';
import { checkJson } from '../artefacts/json.ts';

const LIBRARY = fileURLToPath(new URL('../../prompts/library.yaml', import.meta.url));

/** A prompt, and the name it has in the library; a text given as it is names itself. */
export interface Prompt {
  name: string;
  text: string;
}

/** name → text, or name → { text, source }. */
const schema = z.record(z.string(), z.union([z.string().min(1), z.object({ text: z.string().min(1) })]));

/** All prompts of the library, in its order. @throws InputError naming the file and the entry that is not a prompt. */
export async function readPrompts(path = LIBRARY): Promise<Prompt[]> {
  const yaml = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new InputError(`the prompt library cannot be read (${error.code})`, path);
  });
  const entries = Object.entries(checkJson(path, schema, parseYaml(yaml, path) ?? {}));
  return entries.map(([name, entry]) => ({ name, text: typeof entry === 'string' ? entry : entry.text }));
}

/** A name in the prompt library, or the text itself. @throws InputError when it is empty or the library is broken. */
export async function resolvePrompt(nameOrText: string, path = LIBRARY): Promise<Prompt> {
  const given = nameOrText.trim();
  if (!given) throw new InputError('the prompt is empty; give a name in prompts/library.yaml or a text');
  const prompts = await readPrompts(path);
  return prompts.find(({ name }) => name === given) ?? { name: given, text: given };
}

function parseYaml(yaml: string, path: string): unknown {
  try {
    return parse(yaml, { maxAliasCount: 0 });
  } catch (error) {
    if (!(error instanceof YAMLParseError)) throw new InputError((error as Error).message, path);
    const [start] = error.linePos ?? [];
    throw new InputError(error.message.split('\n')[0], { file: path, line: start?.line, column: start?.col });
  }
}
