import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import type { Gpu } from '../../wgsl/core/index.ts';
import { readSavedJson } from './json.ts';

/** A prompt: a name in the prompt library or a text; or several with weights, which may be negative. */
export type StylePrompt = string | readonly { text: string; weight: number }[];

/** The target of a restyling; score takes its defaults from it. */
export interface Style {
  /** As in the options. */
  prompt: StylePrompt;
  /** Folder of the CLIP model; absent for the model of the package. */
  model?: string;
}

const styleFile = z.strictObject({
  prompt: z.union([z.string(), z.array(z.strictObject({ text: z.string(), weight: z.number() }))]),
  model: z.string().optional(),
});

/** Writes `style.json` into a folder. */
export async function saveStyle(_gpu: Gpu, { prompt, model }: Style, folder: string): Promise<void> {
  await writeFile(join(folder, 'style.json'), `${JSON.stringify({ prompt, model }, null, 2)}\n`);
}

/** Loads what `saveStyle` wrote. @throws InputError when it is missing or invalid. */
export async function loadStyle(_gpu: Gpu, folder: string): Promise<Style> {
  return readSavedJson(join(folder, 'style.json'), styleFile, 'stylize');
}
