import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Gpu } from '../../wgsl/core/index.ts';
import { readSavedJson } from './json.ts';
import type { Style } from './style.ts';

const styleFile = z.strictObject({ prompt: z.string(), model: z.string().optional() });

/** Writes `style.json` into a folder. */
export async function saveStyle(_gpu: Gpu, { prompt, model }: Style, folder: string): Promise<void> {
  await writeFile(join(folder, 'style.json'), `${JSON.stringify({ prompt, model }, null, 2)}\n`);
}

/** Loads what `saveStyle` wrote. Throws InputError when it is missing or not that. */
export async function loadStyle(_gpu: Gpu, folder: string): Promise<Style> {
  return readSavedJson(join(folder, 'style.json'), styleFile, 'stylize');
}
