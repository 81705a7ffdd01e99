import { relative, resolve } from 'node:path';
import { compare, encodePicture, levelDifferences, type Picture } from './picture.ts';

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
  /** The reasons for judging by tolerance: differences of the adapters, or the user's request. */
  because: string[];
  /** Other differences from the recording: versions and the environment. */
  notes: string[];
  /** `now` is absent if the pipeline file changed, because nothing ran. */
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

function rowsWith(wanted: Verdict, { rows, mode }: Report): Row[] {
  return rows.filter((row) => verdict(row, mode) === wanted);
}

export function failures(report: Report): Row[] {
  return rowsWith('FAIL', report);
}

/** `golden frame view-a: max 3, mean 0.01, SSIM 0.999; required: equal`. */
function sentence({ kind, name, found, allowed }: Row, mode: Mode): string {
  if (kind === 'file') return found;
  return `${KINDS[kind][0]} ${name}: ${found}; required: ${mode === 'bytes' ? 'equal' : allowed}`;
}

/** One line: how many results differ and the first of them. A changed pipeline file is the only verdict. */
export function summary(report: Report): string {
  const { file, mode, rows } = report;
  const failed = failures(report);
  const total = rows.length - rowsWith('not judged', report).length;
  if (!failed.length) return `${file}: all ${total} as recorded`;
  const first = sentence(failed[0], mode);
  if (failed[0].kind === 'file') return `${file}: ${first}`;
  return `${file}: ${failed.length} of ${total} are not as recorded, first ${first}`;
}

/** Rows of one kind that the text names. */
const SHOWN_PER_KIND = 5;

/** The report for a terminal or a log: how it was judged, each failure, and a line of what is unchanged. */
export function reportText(report: Report): string {
  const { mode, notes } = report;
  const [failed, passed, skipped] = (['FAIL', 'ok', 'not judged'] as const).map((of) => rowsWith(of, report));
  const lines = [judgedHow(report), ...notes.map((note) => `note: ${note}`)];
  if (failed.length) lines.push('', 'not as recorded:');
  for (const kind of Object.keys(KINDS)) {
    const same = failed.filter((row) => row.kind === kind);
    const more = same.splice(SHOWN_PER_KIND);
    lines.push(...same.map((row) => `  ${sentence(row, mode)}`));
    if (more.length) lines.push(`  … and ${counted(more)} more`);
  }
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
  const counts = Object.entries(KINDS).map(([kind, [one, several]]) => {
    const { length } = rows.filter((row) => row.kind === kind);
    return length ? [`${length} ${length === 1 ? one : several}`] : [];
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
  const [failed, skipped] = (['FAIL', 'not judged'] as const).map((of) => rowsWith(of, report).length);
  const counts = { tests: rows.length, failures: failed, errors: 0, skipped, time: seconds.toFixed(3) };
  const cases = rows.map((row) => {
    const message = sentence(row, mode);
    const content = {
      ok: '',
      FAIL: element('failure', { message, type: 'Regression' }, escaped(message)),
      'not judged': element('skipped', {
        message: 'training differs between adapters: only its scores are judged',
      }),
    };
    const classname = `golden.${file.replace(/\.ya?ml$/, '')}.${row.kind}`;
    return element('testcase', { classname, name: row.name, time: 0 }, content[verdict(row, mode)]);
  });
  const timestamp = now.toISOString().slice(0, 19);
  const suite = element('testsuite', { name: `golden ${file}`, ...counts, timestamp }, cases.join('\n'));
  const suites = element('testsuites', { name: 'golden renders', ...counts }, suite);
  return `<?xml version="1.0" encoding="UTF-8"?>\n${suites}\n`;
}

/** An element of XML or HTML; `content` is markup. */
function element(name: string, attributes: Record<string, string | number>, content = ''): string {
  const list = Object.entries(attributes).map(([key, value]) => ` ${key}="${escaped(String(value))}"`);
  return `<${name}${list.join('')}>${content}</${name}>`;
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
  const failed = failures(report);
  const table = [...failed, ...rows.filter((row) => !failed.includes(row))].map((row) => {
    const cells = [`${KINDS[row.kind][0]} ${row.name}`, row.found, row.allowed ?? ''].map(escaped);
    const outcome = verdict(row, mode);
    return `<tr><td>${cells.join('<td>')}<td class="${outcome}">${outcome}`;
  });
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Golden renders: ${escaped(file)}</title>
<style>${STYLE}</style>
<h1>Golden renders</h1>
<p>${[summary(report), judgedHow(report), ...notes].map(escaped).join('</p>\n<p>')}</p>
<table><tr><th>result<th>found<th>allowed on another adapter<th>verdict
${table.join('\n')}
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
  const figure = (caption: string, picture: Picture) => {
    const text = escaped(caption);
    const data = Buffer.from(encodePicture(picture)).toString('base64');
    return `<figure><img alt="${text}" src="data:image/png;base64,${data}"><figcaption>${text}</figcaption></figure>`;
  };
  return `<h3>${escaped(name)}</h3>
${figure('before (golden)', before)}
${figure('after (now)', after)}
${figure(`difference: max ${max} levels, mean ${mean}, SSIM ${ssim}; white is ${heat.top} levels`, heat)}`;
}

/** Minimum difference, in 8-bit levels, that the heat map shows as white: rounding stays dark. */
const LEAST_TOP = 8;

/**
 * The largest difference of each pixel's channels, from black through red and yellow to white. `top` is the number of 8-bit
 * levels that white represents.
 */
export function heatMap(a: Picture, b: Picture): Picture & { top: number } {
  const levels = levelDifferences(a, b);
  const top = levels.reduce((most, level) => Math.max(most, level), LEAST_TOP);
  const rgb = Uint8ClampedArray.from(levels, (_, i) => {
    const pixel = i - (i % 3);
    const level = Math.max(levels[pixel], levels[pixel + 1], levels[pixel + 2]);
    return 255 * ((3 * level) / top - (i % 3));
  });
  return { ...a, rgb: new Uint8Array(rgb), top };
}
