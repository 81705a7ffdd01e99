import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import type { Gpu } from '../../wgsl/core/index.ts';
import { namedOnce, readSavedJson } from './json.ts';

/** What training with `exposure` learnt about its photographs. */
export interface Exposures {
  views: {
    /** As in the dataset. */
    name: string;
    /** 3×4 by rows: maps (r, g, b, 1) of the splat's picture to the colours of the photograph. f32 values. */
    matrix: number[];
  }[];
}

const exposuresFile = z.strictObject({
  views: z
    .array(z.strictObject({ name: z.string(), matrix: z.array(z.number()).length(12) }))
    .superRefine(namedOnce),
});

/** The text of `exposures.json`: one line per view. Equal exposures give equal bytes. */
export function formatExposures({ views }: Exposures): string {
  const lines = views.map(({ name, matrix }) => `    ${JSON.stringify({ name, matrix })}`);
  return `{\n  "views": [\n${lines.join(',\n')}\n  ]\n}\n`;
}

/** Writes `exposures.json` into a folder. */
export async function saveExposures(_gpu: Gpu, exposures: Exposures, folder: string): Promise<void> {
  await writeFile(join(folder, 'exposures.json'), formatExposures(exposures));
}

/** Loads what `saveExposures` wrote. @throws InputError when it is missing or invalid. */
export async function loadExposures(_gpu: Gpu, folder: string): Promise<Exposures> {
  return readSavedJson(join(folder, 'exposures.json'), exposuresFile, 'train');
}
