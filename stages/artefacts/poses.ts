import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import type { Gpu } from '../../wgsl/core/index.ts';
import { isPose } from './camera.ts';
import type { Dataset } from './dataset.ts';
import { namedOnce, readSavedJson } from './json.ts';

/** The poses of the training views, as training with `poses` refined them. */
export interface Poses {
  views: {
    /** As in the dataset. */
    name: string;
    /** [4,4] row-major, world → camera, as in `Camera`. f32 values. */
    viewmat: number[];
  }[];
}

const viewmat = z
  .array(z.number())
  .length(16)
  .refine(
    isPose,
    'is not a pose; expected world to camera, [R t; 0 0 0 1], with orthonormal axes and determinant 1',
  );
const posesFile = z.strictObject({
  views: z.array(z.strictObject({ name: z.string(), viewmat })).superRefine(namedOnce),
});

/** A dataset whose training views have the refined poses; held-out views keep those of the capture. It shares the photographs. */
export function withPoses(dataset: Dataset, poses?: Poses): Dataset {
  if (!poses) return dataset;
  const viewmats = new Map(poses.views.map(({ name, viewmat }) => [name, viewmat]));
  const views = dataset.views.map((view) => {
    const viewmat = view.split === 'train' ? viewmats.get(view.name) : undefined;
    return viewmat ? { ...view, camera: { ...view.camera, viewmat } } : view;
  });
  return { ...dataset, views };
}

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
