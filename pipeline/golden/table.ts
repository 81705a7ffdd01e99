import { frameColumns, scoreColumns } from './columns.ts';
import { failures, passes, type Report, subject, summary } from './report.ts';

/** The report as plain text for a terminal or a log. Failures are summed up by the `Regression` that follows it. */
export function reportTable(report: Report): string {
  const { mode, because, notes, adapter } = report;
  const head =
    mode === 'bytes'
      ? [`judged by bytes, on the adapter that recorded: ${adapter.now}`]
      : [
          `judged by tolerance, not by bytes: ${because.join('; ')}`,
          `  recorded on ${adapter.recorded}`,
          `  now         ${adapter.now}`,
        ];
  const scores = scoreColumns(report);
  return [
    ...head,
    ...notes.map((note) => `note: ${note}`),
    '',
    'committed splat',
    ...align([['frame', 'max', 'mean', 'SSIM', ''], ...frameColumns(report)]),
    '',
    'chain',
    ...(['cameras', 'tensor', 'turntable'] as const).flatMap((kind) => groupLine(kind, report)),
    ...(scores.length ? align([['score', 'golden', 'now', 'elsewhere', 'unit', ''], ...scores]) : []),
    ...(failures(report).length ? [] : ['', summary(report)]),
  ].join('\n');
}

/** Many hashes are one line: how many agree, and the first that does not. */
function groupLine(kind: 'cameras' | 'tensor' | 'turntable', report: Report): string[] {
  const rows = report.rows.filter((row) => row.kind === kind);
  if (!rows.length) return [];
  const names = { cameras: 'turntable’s cameras', tensor: 'tensors', turntable: 'turntable pictures' };
  const equal = rows.filter(({ exact }) => exact).length;
  const first = rows.find(({ exact }) => !exact);
  const failed = failures(report).some((row) => row.kind === kind);
  const judged = rows.some((row) => passes(row, report.mode) !== undefined);
  const found = first
    ? `${equal} of ${rows.length} equal, the first that differs: ${subject(first)}`
    : 'equal';
  return [`  ${names[kind]}: ${found}  ${failed ? 'FAIL' : judged ? 'ok' : 'not judged on another adapter'}`];
}

/** Columns of equal width, the first to the left, numbers to the right. */
function align(rows: readonly string[][]): string[] {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) =>
    `  ${row.map((cell, i) => (i === 0 || i === row.length - 1 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ')}`.trimEnd(),
  );
}
