import type { Gpu } from '../../wgsl/core/index.ts';
import { rowLimit } from '../../wgsl/splat/row-capacity.ts';
import type { Effort } from './measure.ts';
import { type Row, SH_DEGREE } from './row.ts';
import { cameraAt, makeScene, type Points } from './scene.ts';
import { renderRow, stepRow } from './scene-rows.ts';

/** The sizes of both series. */
export interface Scaling {
  /** Gaussians, at `width`. */
  gaussians: readonly number[];
  width: number;
  /** Pixels, at `factor` times the points. */
  pixels: readonly number[];
  factor: number;
}

export const SCALING: Scaling = {
  gaussians: [0.1, 0.2, 0.5, 1, 2, 5, 10, 20].map((millions) => 1e6 * millions),
  width: 1296,
  pixels: [0.3, 0.6, 1, 2, 4, 8].map((millions) => 1e6 * millions),
  factor: 7,
};

export const SERIES = ['gaussians', 'pixels'] as const;
export type Series = (typeof SERIES)[number];

/** Enough to count what a camera sees. */
const LOOK: Effort = { warmup: 0, profiled: 1, steps: 1, rounds: 1 };

/** Which series a row is of; undefined for those of other benches. */
export function seriesOf({ id }: Pick<Row, 'id'>): Series | undefined {
  return SERIES.find((name) => id.startsWith(`scaling ${name} `));
}

/** Steps of more and more Gaussians, then of more and more pixels. It skips and reports sizes that the adapter cannot hold. */
export async function benchScaling(
  gpu: Gpu,
  points: Points,
  { gaussians, width, pixels, factor }: Scaling,
  effort: Effort,
  { onRow = () => {}, onSkip = () => {} }: { onRow?(row: Row): void; onSkip?(text: string): void } = {},
): Promise<Row[]> {
  const { width: w, height: h } = points.camera;
  const sizes = [
    ...gaussians.map((count) => ({ name: 'gaussians', value: count, factor: count / points.count, width })),
    ...pixels.map((area) => ({
      name: 'pixels',
      value: area,
      factor,
      width: Math.round(Math.sqrt((area * w) / h)),
    })),
  ];
  const rows: Row[] = [];
  const limit = rowLimit(gpu, SH_DEGREE);
  for (const { name, value, factor, width } of sizes) {
    const view = { id: `scaling ${name} ${value}`, camera: cameraAt(points, width) };
    const count = Math.round(factor * points.count);
    const picture = 16 * view.camera.width * view.camera.height;
    const { maxBufferSize, maxStorageBufferBindingSize } = gpu.device.limits;
    if (count > limit) {
      onSkip(`${view.id} is left out: ${count} Gaussians, and this adapter's largest binding holds ${limit}`);
    } else if (picture > Math.min(maxBufferSize, maxStorageBufferBindingSize)) {
      onSkip(
        `${view.id} is left out: a picture takes ${picture} bytes, more than this adapter's largest binding`,
      );
    } else {
      const scene = makeScene(points, factor);
      const { counted } = await renderRow(gpu, points, scene, view, LOOK);
      const row = await stepRow(gpu, points, scene, view, counted, effort);
      rows.push(row);
      onRow(row);
    }
  }
  return rows;
}
