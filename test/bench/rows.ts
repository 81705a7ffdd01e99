import type { Gpu } from '../../wgsl/core/index.ts';
import { rowLimit } from '../../wgsl/splat/row-capacity.ts';
import { type ClipSelection, clipRows } from './clip-rows.ts';
import type { Effort } from './measure.ts';
import { lossRows, ssimRow } from './picture-rows.ts';
import { type Kind, type Row, rowOf, SH_DEGREE } from './row.ts';
import { cameraAt, makeScene, type Points } from './scene.ts';
import { renderRow, stepRow } from './scene-rows.ts';
import { measureSort } from './sort-rows.ts';

/** A row of the table: how often the points are taken, and how wide the picture is. */
export interface Size {
  row: number;
  factor: number;
  width: number;
}

export const SIZES: readonly Size[] = [
  { row: 1, factor: 1, width: 648 },
  { row: 2, factor: 1, width: 1296 },
  { row: 3, factor: 4, width: 1296 },
  { row: 4, factor: 7, width: 1296 },
  { row: 5, factor: 20, width: 1296 },
];

export interface BenchOptions {
  sizes: readonly Size[];
  kinds: readonly Kind[];
  effort: Effort;
  clip: ClipSelection;
  /** Called with each row when its measurement ends. */
  onRow?(row: Row): void;
  /** Called with what is skipped, and why. */
  onSkip?(text: string): void;
}

/** Measures all rows, small ones first. What depends on the picture's size alone is measured once for each. */
export async function bench(
  gpu: Gpu,
  points: Points,
  { sizes, kinds, effort, clip, onRow, onSkip }: BenchOptions,
): Promise<Row[]> {
  const rows: Row[] = [];
  const seen = new Set<string>();
  const add = (found: Row[]) => {
    for (const row of found) {
      rows.push(row);
      onRow?.(row);
    }
  };
  for (const size of sizes) {
    const ofScene = kinds.some((kind) => kind === 'step' || kind === 'render' || kind === 'sort');
    const count = size.factor * points.count;
    const limit = rowLimit(gpu, SH_DEGREE);
    if (ofScene && count > limit) {
      onSkip?.(`row ${size.row} is left out: ${count} Gaussians, and this adapter holds ${limit}`);
    } else if (ofScene) {
      add(await sceneRows(gpu, points, size, kinds, effort));
    }
    const { width, height } = cameraAt(points, size.width);
    const picture = `${width}×${height}`;
    if (seen.has(picture)) continue;
    seen.add(picture);
    if (kinds.includes('ssim')) add([await ssimRow(gpu, points, { id: `ssim ${picture}`, width }, effort)]);
    if (kinds.includes('losses')) add(await lossRows(gpu, points, width, effort));
  }
  if (kinds.includes('clip')) await clipRows(gpu, points, sizes[0].width, clip, effort, (row) => add([row]));
  return rows;
}

async function sceneRows(
  gpu: Gpu,
  points: Points,
  size: Size,
  kinds: readonly Kind[],
  effort: Effort,
): Promise<Row[]> {
  const scene = makeScene(points, size.factor);
  const found: Row[] = [];
  const view = { id: `render ${size.row}`, camera: cameraAt(points, size.width) };
  const { counted, row: render } = await renderRow(gpu, points, scene, view, effort);
  if (kinds.includes('render')) found.push(render);
  if (kinds.includes('sort')) {
    const depth = { id: `sort depths ${size.row}`, count: counted.visible, bits: 32, identity: false };
    const bits = Math.max(1, Math.ceil(Math.log2(counted.tiles + 1)));
    const tiles = { id: `sort tiles ${size.row}`, count: counted.intersections, bits, identity: true };
    for (const sort of [depth, tiles]) {
      const measured = await measureSort(gpu, sort, effort);
      // Keys and values, in and out.
      found.push({
        ...rowOf(points, counted),
        ...measured,
        id: sort.id,
        kind: 'sort',
        width: render.width,
        height: render.height,
        mustMoveBytes: (sort.identity ? 12 : 16) * sort.count,
      });
    }
  }
  if (kinds.includes('step')) {
    const { camera } = view;
    found.unshift(await stepRow(gpu, points, scene, { id: `step ${size.row}`, camera }, counted, effort));
  }
  return found;
}
