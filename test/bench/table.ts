import type { Row } from './row.ts';
import { share } from './traffic.ts';

/** Pads cells to columns: the first to the left, the others to the right. */
export function alignColumns(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0].map((_, k) => Math.max(...rows.map((cells) => cells[k].length)));
  return rows.map((cells) =>
    cells
      .map((cell, k) => (k ? cell.padStart(widths[k]) : cell.padEnd(widths[k])))
      .join('  ')
      .trimEnd(),
  );
}

export const HEADINGS = [
  'row',
  'scene',
  'Gaussians',
  'visible',
  'intersections',
  'image',
  'GPU ms',
  'wall ms',
  'wall/GPU',
  'interval ms',
  'GiB',
  'must move MB',
  'of copy',
] as const;

/** A row's cells, under `HEADINGS`. `bandwidth`: of a copy, bytes a second. */
export function tableCells(row: Row, bandwidth: number): string[] {
  const dash = (value: number | null, text: (value: number) => string) =>
    value === null ? '—' : text(value);
  const ms = (value: number) => value.toFixed(3);
  const time = row.gpuMs ?? row.wallMs;
  return [
    row.id,
    row.scene,
    dash(row.gaussians, String),
    dash(row.visible, String),
    dash(row.intersections, String),
    row.width === null ? '—' : `${row.width}×${row.height}`,
    dash(row.gpuMs, ms),
    ms(row.wallMs),
    dash(row.gpuMs, (gpuMs) => (row.wallMs / gpuMs).toFixed(3)),
    dash(row.intervalMs, ms),
    dash(row.memoryBytes, (bytes) => (bytes / 2 ** 30).toFixed(3)),
    dash(row.mustMoveBytes, (bytes) => (bytes / 1e6).toFixed(1)),
    dash(row.mustMoveBytes, (bytes) => `${(100 * share(bytes, time, bandwidth)).toFixed(0)} %`),
  ];
}

export const CLIP_HEADINGS = [
  'row',
  'precision',
  'GPU ms',
  'wall ms',
  'wall/GPU',
  'interval ms',
  'MiB',
  'TFLOP',
  'TFLOP/s',
  'waits',
] as const;

/** The work of a CLIP row in TFLOP, and TFLOP a second. */
export function clipRate({ clip, gpuMs, wallMs }: Row): { tflop: number; perSecond: number } | null {
  if (!clip) return null;
  const tflop = (clip.productsFlop + clip.attentionFlop) / 1e12;
  return { tflop, perSecond: (1000 * tflop) / (gpuMs ?? wallMs) };
}

/** The cells of a CLIP row, under `CLIP_HEADINGS`. */
function clipCells(row: Row): string[] {
  const { clip, gpuMs, intervalMs, wallMs, memoryBytes } = row;
  const rate = clipRate(row);
  const dash = (value: number | null | undefined, digits: number) => value?.toFixed(digits) ?? '—';
  return [
    row.id,
    clip?.precision ?? '—',
    dash(gpuMs, 3),
    dash(wallMs, 3),
    dash(gpuMs && wallMs / gpuMs, 3),
    dash(intervalMs, 3),
    dash(memoryBytes && memoryBytes / 2 ** 20, 1),
    dash(rate?.tflop, 3),
    dash(rate?.perSecond, 2),
    dash(clip?.waits, 0),
  ];
}

/** All rows as a table, those of CLIP as another, then each row's kernels and parts. */
export function formatRows(rows: readonly Row[], bandwidth: number): string {
  const [others, clips] = [rows.filter(({ clip }) => !clip), rows.filter(({ clip }) => clip)];
  const lines = others.length
    ? alignColumns([HEADINGS, ...others.map((row) => tableCells(row, bandwidth))])
    : [];
  if (clips.length) {
    lines.push(...(others.length ? [''] : []), ...alignColumns([CLIP_HEADINGS, ...clips.map(clipCells)]));
  }
  for (const { id, kernelsMs, kernels } of rows) {
    if (!kernelsMs) continue;
    const cells = Object.entries(kernels).map(([label, ms]) => [
      label,
      ms.toFixed(4),
      `${((100 * ms) / kernelsMs).toFixed(1)} %`,
    ]);
    lines.push(
      '',
      `${id}, ms by kernel, ${kernelsMs.toFixed(3)} in all`,
      ...alignColumns(cells).map((line) => `  ${line}`),
    );
  }
  for (const { id, wallMs, parts } of rows) {
    if (!parts) continue;
    const slowest = Object.keys(parts).reduce((a, b) => (parts[b] > parts[a] ? b : a));
    const cells = Object.entries(parts).map(([name, ms]) => [name, ms.toFixed(3)]);
    const rate = `${(1000 / wallMs).toFixed(1)} frames/s, ${wallMs.toFixed(3)} ms a frame`;
    lines.push('', `${id}, ${rate}; each part alone, the slowest is ${slowest}`);
    lines.push(...alignColumns(cells).map((line) => `  ${line}`));
  }
  return lines.join('\n');
}
