import { passes, type Report, type Row } from './report.ts';

/** A row per golden frame: name, largest difference, mean, SSIM, verdict; the last says what is allowed elsewhere. */
export function frameColumns(report: Report): string[][] {
  const { max, mean, ssim } = report.tolerance;
  const frames = report.rows.flatMap((row) =>
    row.kind === 'frame'
      ? [[row.name, String(row.max), text(row.mean), text(row.ssim), verdictOf(row, report)]]
      : [],
  );
  return [...frames, ['allowed elsewhere', String(max), text(mean), text(ssim), '']];
}

/** A row per score: name, golden, now, bound, unit, verdict. */
export function scoreColumns(report: Report): string[][] {
  return report.rows.flatMap((row) =>
    row.kind === 'score'
      ? [[row.name, text(row.golden), text(row.now), `±${text(row.bound)}`, row.unit, verdictOf(row, report)]]
      : [],
  );
}

/** `ok`, `FAIL`, or that this mode cannot tell. */
export function verdictOf(row: Row, { mode }: Report): string {
  const passed = passes(row, mode);
  return passed === undefined ? 'not judged' : passed ? 'ok' : 'FAIL';
}

export function text(value: number | undefined): string {
  return value === undefined ? '–' : String(Number(value.toFixed(6)));
}
