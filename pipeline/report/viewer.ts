import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { type Background, backgroundColor } from '../../stages/artefacts/background.ts';
import type { Vec3 } from '../../stages/artefacts/camera.ts';
import { loadFrameCameras } from '../../stages/artefacts/frames.ts';
import { type Gaussians, type HostGaussians, takeRows } from '../../stages/artefacts/gaussians.ts';
import { importGaussians } from '../../stages/artefacts/gaussians-import.ts';
import { readViewer, viewerCamera, writeSplat } from '../../stages/artefacts/splat-writer.ts';
import { InputError } from '../../wgsl/core/index.ts';
import type { Manifest } from '../run/manifest.ts';
import { STAGES } from '../run/run-folder.ts';
import type { ViewerData } from './data.ts';

/** The largest splat that keeps all its SH in the page, bytes. */
const MAX_SPLAT = 12 * 2 ** 20;
/** Of PlayCanvas's compressed .ply: a Gaussian, and each coefficient of SH of degree 1 and above. */
const GAUSSIAN_BYTES = 16;

/**
 * The viewer of a run's splat, and of the one before restyling. It starts at the first camera of the turntable. Splats are compressed
 * .ply, because SOG clusters SH, which takes minutes on the CPU and saves little. @throws InputError without a splat or a turntable.
 */
export async function readSplatViewer(folder: string, { stages }: Manifest): Promise<ViewerData> {
  const orbit = stages.findLast(({ parts }) => parts.frames);
  const path = join(folder, 'splat.ply');
  if (!orbit || !existsSync(path)) {
    throw new InputError('has no splat or no turntable to show in a viewer: omit --viewer', folder);
  }
  const [{ camera }] = await loadFrameCameras(join(folder, STAGES, orbit.id, 'frames'));
  const { gaussians } = await importGaussians(path);
  const base = join(folder, 'base.ply');
  const before = existsSync(base) ? (await importGaussians(base)).gaussians : undefined;
  const shDegree = degreeThatFits(gaussians);
  const { background = 'black' } = orbit.options as { background?: Background };
  const start = viewerCamera(camera, medianOf(gaussians.means), backgroundColor(background));
  const page = JSON.stringify(embeddable(await readViewer(start, gaussians.antialias)));
  return {
    page: (await promisify(gzip)(page)).toString('base64'),
    splats: {
      now: await base64Of(gaussians, shDegree),
      before: before && (await base64Of(before, shDegree)),
    },
    shDegree,
    trainedDegree: gaussians.shDegree,
    width: camera.width,
    height: camera.height,
  };
}

/**
 * Changes of the viewer's page, for a page inside another: a name of its splat, whose ending is the format, that is no path; no
 * motion of its own; and its camera, which the report reads.
 */
const CHANGES = [
  ["'./scene.sog'", "'data:,/splat.compressed.ply'"],
  ["url.searchParams.has('noanim')", 'true'],
  ['const viewer = await main(', 'window.viewer = await main('],
] as const;

/** @throws Error when the library's page is another than this expects. */
function embeddable(page: readonly string[]): string[] {
  for (const [was] of CHANGES) {
    if (!page.some((part) => part.includes(was))) throw new Error(`the viewer's page has no ${was}`);
  }
  return page.map((part) => CHANGES.reduce((text, [was, is]) => text.replace(was, is), part));
}

function degreeThatFits({ count, shDegree }: HostGaussians): Gaussians['shDegree'] {
  const bytesOf = (degree: number) => count * (GAUSSIAN_BYTES + 3 * ((degree + 1) ** 2 - 1));
  const degrees = [3, 2, 1, 0] as const;
  return degrees.find((degree) => degree <= shDegree && bytesOf(degree) <= MAX_SPLAT) ?? 0;
}

async function base64Of(host: HostGaussians, shDegree: Gaussians['shDegree']): Promise<string> {
  const rows = Array.from({ length: host.count }, (_, row) => row);
  const bytes = await writeSplat(takeRows(host, rows, shDegree), 'compressed.ply');
  return Buffer.from(bytes).toString('base64');
}

/** The median of each coordinate: the middle of what most Gaussians show. */
function medianOf(means: Float32Array): Vec3 {
  const median = (axis: number) => {
    const values = means.filter((_, i) => i % 3 === axis).sort();
    return values[values.length >> 1];
  };
  return [median(0), median(1), median(2)];
}
