import { relative, resolve } from 'node:path';
import type { GoldenReport, Picture as PictureData } from '../report/data.ts';
import { compare, differencePicture, encodePicture, type Picture } from './picture.ts';

/** `bytes`: on the recording adapter, results are equal. `tolerance`: on others. `file`: it changed, and nothing ran. */
type Mode = 'bytes' | 'tolerance' | 'file';

/** One comparison with the recording. */
export interface Row {
  kind: 'file' | 'frame' | 'cameras' | 'score' | 'tensor' | 'turntable';
  name: string;
  /** Equal to the recording. */
  exact: boolean;
  /** Within the tolerance or bound; absent where another adapter cannot be judged. */
  within?: boolean;
  /** The result, in a few words: `max 3, mean 0.01, SSIM 0.999`. */
  found: string;
  /** The limit on another adapter: `max 8, mean 0.02, SSIM 0.999`. */
  allowed?: string;
}

export interface Report {
  file: string;
  mode: Mode;
  /** The reasons for judging by tolerance: differences of the adapters. */
  because: string[];
  /** Other versions than those of the recording. */
  notes: string[];
  rows: Row[];
}

/** A golden camera: the committed picture, and the committed splat rendered now. */
export interface FramePair {
  name: string;
  before: Picture;
  after: Picture;
  /** The splat of this run; no row depends on it. */
  ofThisRun: Picture;
}

/** A finished check. */
export interface Checked extends Report {
  frames: FramePair[];
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

/** `frame view-a: max 3, mean 0.01, SSIM 0.999; required: equal`. */
function sentence({ kind, name, found, allowed }: Row, mode: Mode): string {
  if (mode === 'file') return found;
  return `${kind} ${name}: ${found}; required: ${mode === 'bytes' ? 'equal' : allowed}`;
}

/** One line: how many results differ and the first of them. A changed pipeline file is the only verdict. */
export function summary(report: Report): string {
  const { file, mode, rows } = report;
  const failed = failures(report);
  const total = rows.length - rowsWith('not judged', report).length;
  if (!failed.length) return `${file}: all ${total} as recorded`;
  const first = sentence(failed[0], mode);
  if (mode === 'file') return `${file}: ${first}`;
  return `${file}: ${failed.length} of ${total} are not as recorded, first ${first}`;
}

/** Failures that the text names. */
const MAX_SHOWN = 20;

/** The report for a terminal or a log: how it was judged, the failures, and the number of other results. */
export function reportText(report: Report): string {
  const { mode, notes, because } = report;
  const failed = failures(report);
  const unjudged = rowsWith('not judged', report).length;
  const judged = {
    file: 'judged by the pipeline file alone: nothing ran',
    bytes: 'judged by bytes, as on the adapter that recorded',
    tolerance: `judged by tolerance, not by bytes: ${because.join('; ')}`,
  };
  return [
    judged[mode],
    ...notes.map((note) => `note: ${note}`),
    ...failed.slice(0, MAX_SHOWN).map((row) => `  ${sentence(row, mode)}`),
    ...(failed.length > MAX_SHOWN ? [`  … and ${failed.length - MAX_SHOWN} more`] : []),
    ...(unjudged ? [`not judged on another adapter: ${unjudged} tensors and turntable pictures`] : []),
    ...(failed.length ? [] : [summary(report)]),
  ].join('\n');
}

/**
 * JUnit XML as Jenkins, GitLab and GitHub's report actions read it: a test case per row, whose class is its kind. A row that this
 * adapter cannot judge is skipped. Names are relative to the working directory.
 */
export function junitXml(report: Report): string {
  const { mode, rows } = report;
  const file = escaped(relative(process.cwd(), resolve(report.file)).replaceAll('\\', '/'));
  const [failed, skipped] = [failures(report), rowsWith('not judged', report)].map(({ length }) => length);
  const counts = `tests="${rows.length}" failures="${failed}" errors="0" skipped="${skipped}"`;
  const cases = rows.map((row) => {
    const message = escaped(sentence(row, mode));
    const outcome = {
      ok: '',
      FAIL: `<failure message="${message}" type="Regression"></failure>`,
      'not judged': '<skipped message="training differs between adapters: only its scores are judged"/>',
    };
    const classname = `golden.${file.replace(/\.ya?ml$/, '')}.${row.kind}`;
    return `<testcase classname="${classname}" name="${escaped(row.name)}">${outcome[verdict(row, mode)]}</testcase>\n`;
  });
  return `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="golden renders" ${counts}><testsuite name="golden ${file}" ${counts}>
${cases.join('')}</testsuite></testsuites>
`;
}

/** Escapes text for XML, also in attributes; replaces control characters, which XML 1.0 forbids. */
function escaped(text: string): string {
  return text
    .replace(/[^\P{Cc}\n\t]/gu, '�')
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;')
    .replace(/"/g, '&quot;');
}

/** The contents of the check's page: the report's text, and the pictures of every golden camera, the largest difference first. */
export function goldenReport({ frames, ...report }: Checked): GoldenReport {
  const { file, mode } = report;
  const measured = frames.map((pair) => ({ pair, ...compare(pair.before, pair.after) }));
  return {
    kind: 'golden',
    name: relative(process.cwd(), resolve(file)),
    made: new Date().toISOString(),
    status: failures(report).length ? 'failed' : 'done',
    text: reportText(report),
    rows: report.rows.map((row) => {
      const { kind, name, found, allowed = '' } = row;
      return {
        kind,
        name,
        verdict: verdict(row, mode),
        found,
        required: mode === 'bytes' ? 'equal' : allowed,
      };
    }),
    frames: measured
      .sort((a, b) => b.mean - a.mean)
      .map(({ pair: { name, before, after, ofThisRun }, max, mean, ssim }) => {
        const difference = differencePicture(before, after);
        return {
          ...{ name, max, mean, ssim },
          recorded: pictureData(before),
          now: pictureData(after),
          difference: pictureData(difference),
          gain: difference.gain,
          ofThisRun: pictureData(ofThisRun),
        };
      }),
  };
}

function pictureData(picture: Picture): PictureData {
  const { width, height } = picture;
  return { src: `data:image/png;base64,${encodePicture(picture).toString('base64')}`, width, height };
}
