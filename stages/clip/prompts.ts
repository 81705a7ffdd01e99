import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { distance } from 'fastest-levenshtein';
import * as z from 'zod';
import { InputError } from '../../wgsl/core/index.ts';
import { checkJson, readJson } from '../artefacts/json.ts';
import { parseValues } from '../artefacts/yaml.ts';
import type { Report } from '../stage.ts';
import { FULL_CLIP } from './resolve.ts';

const LIBRARY = fileURLToPath(new URL('../../prompts/library.yaml', import.meta.url));

/** A text and its name in the prompt library; the name of any other text is the text itself. */
export interface Prompt {
  name: string;
  text: string;
}

/** name → text, or name → { text, source }. */
const schema = z.record(z.string(), z.union([z.string().min(1), z.object({ text: z.string().min(1) })]));

/** All prompts of the library, in its order. @throws InputError naming the file and the invalid entry. */
export async function readPrompts(path = LIBRARY): Promise<Prompt[]> {
  const yaml = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new InputError(`the prompt library cannot be read (${error.code})`, path);
  });
  const entries = Object.entries(checkJson(path, schema, parseValues(yaml, path, { aliases: 0 }) ?? {}));
  return entries.map(([name, entry]) => ({ name, text: typeof entry === 'string' ? entry : entry.text }));
}

/** The prompt of this name in the library, or the text itself. @throws InputError if it is empty or the library is invalid. */
export async function resolvePrompt(nameOrText: string, path = LIBRARY): Promise<Prompt> {
  const given = nameOrText.trim();
  if (!given) throw new InputError('the prompt is empty; give a name in prompts/library.yaml or a text');
  const prompts = await readPrompts(path);
  return prompts.find(({ name }) => name === given) ?? { name: given, text: given };
}

/** Warns if a prompt looks like a misspelt name of the library, and of its words as `warnOfWords`. */
export async function warnOfPrompt({ name, text }: Prompt, model: string, report: Report): Promise<void> {
  const near = name === text && (await nearestName(name));
  if (near) {
    report.warn(
      `prompt ${JSON.stringify(name)} is not a name in the prompt library; the nearest name is ${JSON.stringify(near)}. ` +
        `It is used as the text itself`,
    );
  }
  await warnOfWords('prompt', text, model, report);
}

/**
 * Warns if a text has words that the model was not trained on, which is known only of a model folder with a `words.json`, as the
 * package's own has. `what` names the option of the text.
 */
export async function warnOfWords(what: string, text: string, model: string, report: Report): Promise<void> {
  const unknown = await unknownWords(text, model);
  if (unknown.length) {
    report.warn(
      `the CLIP model was not trained on these words of the ${what}: ${unknown.join(', ')}. They have little effect; ` +
        `for free text set \`model\` to a full CLIP model, such as ${FULL_CLIP}`,
    );
  }
}

/** The library name that a single word misspells: another case, or at most one wrong letter in four. */
async function nearestName(word: string): Promise<string | undefined> {
  if (/\s/.test(word)) return undefined;
  const lower = word.toLowerCase();
  const names = (await readPrompts()).map((prompt) => ({
    name: prompt.name,
    letters: distance(lower, prompt.name),
  }));
  const [nearest] = names.sort((a, b) => a.letters - b.letters);
  return nearest && nearest.letters <= Math.ceil(nearest.name.length / 4) ? nearest.name : undefined;
}

const wordList = z.object({ words: z.array(z.string()) });

async function unknownWords(text: string, model: string): Promise<string[]> {
  const path = join(model, 'words.json');
  const list = await readJson(path).catch(() => undefined);
  if (list === undefined) return [];
  const known = new Set(checkJson(path, wordList, list).words);
  const words = text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  return [...new Set(words)].filter((word) => !known.has(word));
}
