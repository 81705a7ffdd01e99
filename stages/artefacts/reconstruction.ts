import { rmSync } from 'node:fs';
import { cp, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Gpu } from '../../wgsl/core/index.ts';

/** The cameras and points that structure from motion finds for pictures. */
export interface Reconstruction {
  /** A COLMAP capture: the model in `sparse/0`, and in `images` the frames of a video. Photographs stay where they are. */
  folder: string;
}

/** Copies the capture into a folder. */
export async function saveReconstruction(_gpu: Gpu, { folder }: Reconstruction, to: string): Promise<void> {
  await cp(folder, to, { recursive: true });
}

/** The saved capture, in its place. */
export async function loadReconstruction(_gpu: Gpu, folder: string): Promise<Reconstruction> {
  return { folder };
}

const temporary: string[] = [];

/** A new folder that is removed when the process ends. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'splatline-sfm-'));
  if (!temporary.length) {
    process.once('exit', () => {
      for (const path of temporary) rmSync(path, { recursive: true, force: true });
    });
  }
  temporary.push(folder);
  return folder;
}

/** Whether a path below a folder of photographs is one of them by its name: no hidden file, and none in the folder `masks`. */
export function isPhotograph(path: string): boolean {
  return /\.(jpe?g|png|webp)$/i.test(path) && !/(^|[/\\])\.|^masks[/\\]/.test(path);
}
