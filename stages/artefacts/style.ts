import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Gpu } from '../../wgsl/core/index.ts';
import { readSavedJson } from './json.ts';

/** What the splat was restyled towards: given by stylize, so that score need not be told again. */
export interface Style {
  /** The prompt as it was written in the options: a name in the prompt library, or the text itself. */
  prompt: string;
  /** The CLIP model's directory; absent when it was the one that the package carries. */
  model?: string;
}

const styleFile = z.strictObject({ prompt: z.string(), model: z.string().optional() });

/** Writes `style.json` into a folder. */
export async function saveStyle(_gpu: Gpu, { prompt, model }: Style, folder: string): Promise<void> {
  await writeFile(join(folder, 'style.json'), `${JSON.stringify({ prompt, model }, null, 2)}\n`);
}

/** Loads what `saveStyle` wrote. Throws InputError when it is missing or not that. */
export async function loadStyle(_gpu: Gpu, folder: string): Promise<Style> {
  return readSavedJson(join(folder, 'style.json'), styleFile, 'stylize');
}
