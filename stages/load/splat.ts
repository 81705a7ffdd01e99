import type { Gpu } from '../../wgsl/core/index.ts';
import { robustBounds } from '../artefacts/bounds.ts';
import type { Dataset, View } from '../artefacts/dataset.ts';
import type { Gaussians } from '../artefacts/gaussians.ts';
import { uploadGaussians } from '../artefacts/gaussians.ts';
import { describeFaults, importGaussians } from '../artefacts/gaussians-import.ts';
import type { Report } from '../stage.ts';
import { sceneFrame } from './geometry.ts';
import { RING_UP, ringCameras } from './rings.ts';

export interface SplatOptions {
  views: number;
  size: readonly [width: number, height: number];
}

/**
 * Reads a splat from a file and creates views for it: rings of cameras around its robust bounds, without images. Skips
 * Gaussians with invalid values and reports their number and faults.
 */
export async function loadSplat(
  gpu: Gpu,
  path: string,
  options: SplatOptions,
  report: Report,
): Promise<{ dataset: Dataset; gaussians: Gaussians }> {
  const { gaussians: host, skipped, skippedCount, clampedOpacities } = await importGaussians(path);
  if (skippedCount) {
    report.warn(
      `${path}: ${skippedCount} of ${skippedCount + host.count} Gaussians are skipped: ${describeFaults(skipped)}`,
    );
  }
  if (clampedOpacities) {
    report.warn(
      `${path}: ${clampedOpacities} opacities are infinite logits; they are clamped to opacity 0 or 1`,
    );
  }
  const { center, radius } = robustBounds(host);
  const [width, height] = options.size;
  const cameras = ringCameras({
    center,
    radius: radius > 0 ? radius : 1,
    count: options.views,
    width,
    height,
  });
  const digits = String(options.views - 1).length;
  const views = cameras.map((camera, i): View => {
    const name = `ring-${String(i).padStart(Math.max(2, digits), '0')}`;
    return { name, split: 'train', camera, image: null };
  });
  const { extent } = sceneFrame(cameras, new Float32Array(), (text) => report.warn(text));
  const points = { positions: new Float32Array(), colors: new Uint8Array() };
  return {
    dataset: { views, points, up: RING_UP, center, extent },
    gaussians: uploadGaussians(gpu, 'load/gaussians', host, 'splat-in'),
  };
}
