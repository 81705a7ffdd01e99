import { type Arena, InputError } from '../../wgsl/core/index.ts';
import { contributionsOf } from '../../wgsl/splat/contributions.ts';
import type { Camera } from '../artefacts/camera.ts';
import type { Gaussians } from '../artefacts/gaussians.ts';
import { openRegion } from '../regions/weights.ts';
import type { Report } from '../stage.ts';
import type { ExportOptions } from './options.ts';

/** The rows inside `crop`, in order; all without one. @throws InputError when there is none. */
export async function croppedRows(
  arena: Arena,
  gaussians: Gaussians,
  { crop }: Pick<ExportOptions, 'crop'>,
  report: Report,
): Promise<number[]> {
  const all = Array.from({ length: gaussians.count }, (_, i) => i);
  if (!crop) return all;
  const chosen = { name: 'crop', option: crop, whenEmpty: 'nothing is left to export' };
  const weights = await openRegion(arena, chosen, gaussians, { report });
  const values = await arena.gpu.readFloats(weights, 'splat-out', gaussians.count);
  const rows = all.filter((i) => values[i] > 0);
  if (!rows.length) throw new InputError('export.crop: no Gaussian is in the region');
  return rows;
}

/**
 * The rows of a splat that `prune` and `count` keep, in order. @throws InputError when there is none.
 */
export async function keptRows(
  arena: Arena,
  gaussians: Gaussians,
  { prune, count, cameras }: Pick<ExportOptions, 'prune' | 'count'> & { cameras: readonly Camera[] },
  report: Report,
): Promise<number[]> {
  const { gpu } = arena;
  const total = gaussians.count;
  let rows = Array.from({ length: total }, (_, i) => i);
  const drop = (why: string, keep: (row: number) => boolean) => {
    const before = rows.length;
    rows = rows.filter(keep);
    report.note(`${why}: ${before - rows.length} of ${before} Gaussians are removed`);
    if (!rows.length) throw new InputError(`export.${why} removes all Gaussians; give a smaller value`);
  };
  if (prune.opacity !== undefined) {
    const { opacity } = prune;
    const logits = await gpu.readFloats(gaussians.opacityLogits, 'splat-out', total);
    drop(`prune.opacity ${opacity}`, (row) => 1 / (1 + Math.exp(-logits[row])) >= opacity);
  }
  const isOver = count !== undefined && count < rows.length;
  if (prune.visibility === undefined && !isOver) return rows;
  const buffer = await contributionsOf(gpu, gaussians, cameras);
  const contributions = await gpu.readFloats(buffer, 'splat-out', total);
  buffer.destroy();
  if (prune.visibility !== undefined) {
    const { visibility } = prune;
    drop(`prune.visibility ${visibility}`, (row) => contributions[row] >= visibility);
  }
  if (count !== undefined && count < rows.length) {
    const most = [...rows].sort((a, b) => contributions[b] - contributions[a] || a - b).slice(0, count);
    const kept = new Set(most);
    drop(`count ${count}`, (row) => kept.has(row));
  }
  return rows;
}
