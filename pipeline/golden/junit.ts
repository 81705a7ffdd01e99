import { escaped } from './escape.ts';
import { complaint, passes, type Report, type Row } from './report.ts';

/** Names of the suites, by the kind of row. */
const SUITES = {
  frame: 'committed splat',
  cameras: 'chain',
  tensor: 'chain',
  turntable: 'chain',
  score: 'chain',
} as const;

/**
 * JUnit XML as Jenkins, GitLab and GitHub's report actions read it: a suite for the committed splat and one for the chain, a
 * test case per frame, tensor, picture and score. What this adapter cannot judge is skipped.
 */
export function junitXml(report: Report, now = new Date()): string {
  const suites = [...new Set(Object.values(SUITES))].map((name) => ({
    name,
    rows: report.rows.filter(({ kind }) => SUITES[kind] === name),
  }));
  const seconds = report.seconds.toFixed(3);
  const timestamp = now.toISOString().slice(0, 19);
  const body = suites.map(({ name, rows }) => {
    const attributes = {
      name: `golden ${report.file}: ${name}`,
      ...counts(rows, report),
      time: seconds,
      timestamp,
    };
    return [
      `  <testsuite${written(attributes)}>`,
      ...rows.map((row) => testCase(row, report)),
      '  </testsuite>',
    ].join('\n');
  });
  const { tests, failures, errors } = counts(report.rows, report);
  const all = { name: 'golden renders', tests, failures, errors, time: seconds };
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites${written(all)}>\n${body.join('\n')}\n</testsuites>\n`;
}

function counts(rows: readonly Row[], { mode }: Report) {
  const count = (verdict: boolean | undefined) => rows.filter((row) => passes(row, mode) === verdict).length;
  return { tests: rows.length, failures: count(false), errors: 0, skipped: count(undefined) };
}

function testCase(row: Row, { file, mode, tolerance }: Report): string {
  const head = `    <testcase${written({ classname: `golden.${file.replace(/\.ya?ml$/, '')}.${row.kind}`, name: row.name, time: '0' })}`;
  const passed = passes(row, mode);
  if (passed) return `${head}/>`;
  const message = complaint(row, mode, tolerance);
  const inside =
    passed === undefined
      ? `<skipped${written({ message: 'training diverges between adapters: only its scores are judged on this one' })}/>`
      : `<failure${written({ message, type: 'Regression' })}>${escaped(`${row.name} ${message}`)}</failure>`;
  return `${head}>\n      ${inside}\n    </testcase>`;
}

function written(attributes: Record<string, string | number>): string {
  return Object.entries(attributes)
    .map(([name, value]) => ` ${name}="${escaped(String(value))}"`)
    .join('');
}
