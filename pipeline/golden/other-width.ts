/**
 * A program of its own, started by margin.ts with the software driver told to use another vector width: renders a splat and
 * leaves PNG files. Its one argument is a JSON file (`WidthJob`).
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { argv } from 'node:process';
import type { Camera, Vec3 } from '../../stages/artefacts/camera.ts';
import { loadGaussians } from '../../stages/artefacts/gaussians-file.ts';
import { openGpu } from '../../wgsl/core/index.ts';
import { renderPngs } from './render.ts';

export interface WidthJob {
  /** As `openGpu` takes it. */
  adapter?: string;
  splat: string;
  cameras: Camera[];
  background: Vec3;
  /** Takes `0.png`, `1.png`, … in the order of the cameras. */
  folder: string;
}

const { adapter, splat, cameras, background, folder } = JSON.parse(
  await readFile(argv[2], 'utf8'),
) as WidthJob;
const gpu = await openGpu({ adapter });
const pngs = await renderPngs(gpu, await loadGaussians(gpu, splat), cameras, background);
for (const [i, png] of pngs.entries()) await writeFile(join(folder, `${i}.png`), png);
console.log(gpu.adapter.device);
gpu.close();
