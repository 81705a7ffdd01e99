import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import type { Gpu } from '../../wgsl/core/index.ts';
import { readSavedJson } from './json.ts';

/** The poses of the training views, as training with `poses` refined them. */
export interface Poses {
  views: {
    /** As in the dataset. */
    name: string;
    /** [4,4] row-major, world → camera, as in `Camera`. f32 values. */
    viewmat: number[];
  }[];
}

const posesFile = z.strictObject({
  views: z.array(z.strictObject({ name: z.string(), viewmat: z.array(z.number()).length(16) })),
});

/** The text of `poses.json`: one line per view. Equal poses give equal bytes. */
export function formatPoses({ views }: Poses): string {
  const lines = views.map(({ name, viewmat }) => `    ${JSON.stringify({ name, viewmat })}`);
  return `{\n  "views": [\n${lines.join(',\n')}\n  ]\n}\n`;
}

/** Writes `poses.json` into a folder. */
export async function savePoses(_gpu: Gpu, poses: Poses, folder: string): Promise<void> {
  await writeFile(join(folder, 'poses.json'), formatPoses(poses));
}

/** Loads what `savePoses` wrote. @throws InputError when it is missing or invalid. */
export async function loadPoses(_gpu: Gpu, folder: string): Promise<Poses> {
  return readSavedJson(join(folder, 'poses.json'), posesFile, 'train');
}
