import { relative, resolve } from 'node:path';
import { compare, encodePicture, type Picture } from './picture.ts';

/** `bytes`, on the recording adapter: results must be equal. `tolerance`, on any other: within tolerances and bounds. */
type Mode = 'bytes' | 'tolerance';

/** One comparison with the recording. */
export interface Row {
  kind: keyof typeof KINDS;
  name: string;
  /** Equal to the recording. */
  exact: boolean;
  /** Within the tolerance or bound; absent where another adapter cannot be judged. */
  within?: boolean;
  /** The numbers compared: `max`, `mean` and `ssim` of a frame, `golden` and `now` of a score, `distance` of cameras. */
  values?: Readonly<Record<string, number | undefined>>;
  /** The result, in a few words: `max 3, mean 0.01, SSIM 0.999`. */
  found: string;
  /** The limit on another adapter: `max 8, mean 0.02, SSIM 0.999`. */
  allowed?: string;
}

/** Kinds of rows, singular and plural; the order of a report. */
const KINDS = {
  file: ['pipeline file', 'pipeline files'],
  frame: ['golden frame', 'golden frames'],
  cameras: ['set of cameras', 'sets of cameras'],
  tensor: ['tensor', 'tensors'],
  turntable: ['turntable picture', 'turntable pictures'],
  score: ['score', 'scores'],
} as const;

export interface Report {
  file: string;
  mode: Mode;
  /** Why not by bytes: differences of the adapters, or the user's request. */
  because: string[];
  /** Other differences from the recording: versions. */
  notes: string[];
  /** `now` is absent where the pipeline file changed, so that nothing ran. */
  adapter: { recorded: string; now?: string };
  rows: Row[];
  seconds: number;
}

/** A golden camera: the committed picture, and the one rendered now. */
export interface FramePair {
  name: string;
  before: Picture;
  after: Picture;
}

/** A finished check. */
export interface Checked {
  report: Report;
  /** The committed splat through the golden cameras. */
  frames: FramePair[];
  /** The splat of this run through the same cameras; no row depends on them. */
  chain: FramePair[];
}

type Verdict = 'ok' | 'FAIL' | 'not judged';

function verdict(row: Row, mode: Mode): Verdict {
  const passed = mode === 'bytes' ? row.exact : row.within;
  return passed === undefined ? 'not judged' : passed ? 'ok' : 'FAIL';
}

export function failures({ rows, mode }: Report): Row[] {
  return rows.filter((row) => verdict(row, mode) === 'FAIL');
}

/** `golden frame view-a: max 3, mean 0.01, SSIM 0.999; required: equal`. */
export function sentence(row: Row, mode: Mode): string {
  if (row.kind === 'file') return row.found;
  const required = mode === 'bytes' ? 'equal' : row.allowed;
  return `${KINDS[row.kind][0]} ${row.name}: ${row.found}; required: ${required}`;
}

/** One line: how many results differ and the first of them. A changed pipeline file is the only verdict. */
export function summary(report: Report): string {
  const { file, mode, rows } = report;
  const failed = failures(report);
  const total = rows.filter((row) => verdict(row, mode) !== 'not judged').length;
  if (!failed.length) return `${file}: all ${total} as recorded`;
  const [first] = failed;
  if (first.kind === 'file') return `${file}: ${sentence(first, mode)}`;
  return `${file}: ${failed.length} of ${total} are not as recorded, first ${sentence(first, mode)}`;
}

/** Rows of one kind that the text names. */
const SHOWN_PER_KIND = 5;

/** The report for a terminal or a log: how it was judged, each failure, and a line of what is unchanged. */
export function reportText(report: Report): string {
  const { mode, notes, rows } = report;
  const failed = failures(report);
  const lines = [judgedHow(report), ...notes.map((note) => `note: ${note}`)];
  if (failed.length) lines.push('', 'not as recorded:');
  for (const kind of Object.keys(KINDS)) {
    const same = failed.filter((row) => row.kind === kind);
    lines.push(...same.slice(0, SHOWN_PER_KIND).map((row) => `  ${sentence(row, mode)}`));
    if (same.length > SHOWN_PER_KIND) lines.push(`  … and ${counted(same.slice(SHOWN_PER_KIND))} more`);
  }
  const [passed, skipped] = (['ok', 'not judged'] as const).map((of) =>
    rows.filter((row) => verdict(row, mode) === of),
  );
  lines.push('');
  if (passed.length) lines.push(`${mode === 'bytes' ? 'unchanged' : 'within tolerance'}: ${counted(passed)}`);
  if (skipped.length) {
    const differing = skipped.find(({ exact }) => !exact);
    const first = differing ? `first that differs: ${differing.name}` : 'all equal';
    lines.push(`not judged on another adapter: ${counted(skipped)} (${first})`);
  }
  if (!failed.length) lines.push(summary(report));
  return lines.join('\n');
}

/** `1 golden frame, 4 tensors`. */
function counted(rows: readonly Row[]): string {
  const counts = Object.entries(KINDS).map(([kind, names]) => {
    const count = rows.filter((row) => row.kind === kind).length;
    return count ? [`${count} ${names[count === 1 ? 0 : 1]}`] : [];
  });
  return counts.flat().join(', ');
}

function judgedHow({ mode, because, adapter: { recorded, now } }: Report): string {
  if (!now) return 'judged by the pipeline file alone: nothing ran';
  if (mode === 'bytes') return `judged by bytes, on the adapter that recorded: ${now}`;
  return `judged by tolerance, not by bytes: ${because.join('; ')}\n  recorded on ${recorded}\n  now         ${now}`;
}

/**
 * JUnit XML as Jenkins, GitLab and GitHub's report actions read it: a test case per row, whose class is its kind. A row that this
 * adapter cannot judge is skipped. Names are relative to the working directory.
 */
export function junitXml(report: Report, now = new Date()): string {
  const { mode, rows, seconds } = report;
  const file = relative(process.cwd(), resolve(report.file)).replaceAll('\\', '/');
  const number = (of: Verdict) => rows.filter((row) => verdict(row, mode) === of).length;
  const counts = `tests="${rows.length}" failures="${number('FAIL')}" errors="0" skipped="${number('not judged')}"`;
  const time = `time="${seconds.toFixed(3)}"`;
  const cases = rows.map((row) => {
    const message = escaped(sentence(row, mode));
    const content = {
      ok: '',
      FAIL: `<failure message="${message}" type="Regression">${message}</failure>`,
      'not judged': '<skipped message="training differs between adapters: only its scores are judged"/>',
    };
    const classname = escaped(`golden.${file.replace(/\.ya?ml$/, '')}.${row.kind}`);
    const inside = content[verdict(row, mode)];
    return `<testcase classname="${classname}" name="${escaped(row.name)}" time="0">${inside}</testcase>`;
  });
  return `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="golden renders" ${counts} ${time}>
<testsuite name="golden ${escaped(file)}" ${counts} ${time} timestamp="${now.toISOString().slice(0, 19)}">
${cases.join('\n')}
</testsuite>
</testsuites>
`;
}

/** Escapes text for XML and HTML, also in attributes; replaces control characters, which XML 1.0 forbids. */
function escaped(text: string): string {
  return text
    .replace(/[^\P{Cc}\n\t]/gu, '�')
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;')
    .replace(/"/g, '&quot;');
}

const STYLE = `
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; }
th, td { border-bottom: 1px solid #8884; padding: .25rem .75rem; text-align: left; }
.FAIL { color: #c8102e; font-weight: 700; } .ok { color: #1a7f37; }
figure { display: inline-block; margin: 0 .5rem 1rem 0; width: 20rem; vertical-align: top; }
figcaption { font-size: 13px; }
img { width: 100%; image-rendering: pixelated; border: 1px solid #8884; }
`;

/** One self-contained page: all rows, failures first, and before | after | difference of every golden camera. */
export function reportPage({ report, frames, chain }: Checked): string {
  const { file, mode, notes, rows } = report;
  const row = (one: Row) => {
    const cells = [`${KINDS[one.kind][0]} ${one.name}`, one.found, one.allowed ?? ''].map(escaped);
    const outcome = verdict(one, mode);
    return `<tr><td>${cells.join('<td>')}<td class="${outcome}">${outcome}`;
  };
  const failed = failures(report);
  const others = rows.filter((one) => !failed.includes(one));
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Golden renders: ${escaped(file)}</title>
<style>${STYLE}</style>
<h1>Golden renders</h1>
<p>${[summary(report), judgedHow(report), ...notes].map(escaped).join('</p>\n<p>')}</p>
<table><tr><th>result<th>found<th>allowed on another adapter<th>verdict
${[...failed, ...others].map(row).join('\n')}
</table>
<h2>Committed splat</h2>
${frames.map(figures).join('\n')}
<h2>Splat of this run, through the same cameras</h2>
<p>No verdict depends on these pictures.</p>
${chain.map(figures).join('\n')}
</html>
`;
}

function figures({ name, before, after }: FramePair): string {
  const { max, mean, ssim } = compare(before, after);
  const heat = heatMap(before, after);
  const difference = `difference: max ${max} levels, mean ${mean}, SSIM ${ssim}; white is ${heat.top} levels`;
  const pictures: [string, Picture][] = [
    ['before (golden)', before],
    ['after (now)', after],
    [difference, heat],
  ];
  const parts = pictures.map(([caption, picture]) => {
    const data = Buffer.from(encodePicture(picture)).toString('base64');
    const text = escaped(caption);
    return `<figure><img alt="${text}" src="data:image/png;base64,${data}"><figcaption>${text}</figcaption></figure>`;
  });
  return `<h3>${escaped(name)}</h3>\n${parts.join('\n')}`;
}

/** Least difference, in 8-bit levels, that the heat map shows as white: rounding stays dark. */
const LEAST_TOP = 8;

/**
 * The largest difference of each pixel's channels, from black through red and yellow to white. `top` is the number of 8-bit
 * levels that white stands for.
 */
export function heatMap(a: Picture, b: Picture): Picture & { top: number } {
  const { width, height } = a;
  const levels = Array.from({ length: width * height }, (_, pixel) =>
    Math.max(...[0, 1, 2].map((c) => Math.abs(a.rgb[3 * pixel + c] - b.rgb[3 * pixel + c]))),
  );
  const top = levels.reduce((most, level) => Math.max(most, level), LEAST_TOP);
  const rgb = Uint8ClampedArray.from({ length: 3 * levels.length }, (_, i) => {
    const heat = (3 * levels[Math.floor(i / 3)]) / top;
    return 255 * (heat - (i % 3));
  });
  return { width, height, rgb: new Uint8Array(rgb), top };
}
