import type { Difference } from './compare.ts';

/** How a check judges: byte for byte on the recording adapter, by tolerance and bounds on any other. */
export type Mode = 'bytes' | 'tolerance';

interface Judged {
  name: string;
  /** Equal to the recording. */
  exact: boolean;
  /** Within the tolerance or bound; absent where another adapter cannot be judged. */
  within?: boolean;
}

/** A golden camera on the committed splat. */
export interface FrameRow extends Judged, Difference {
  kind: 'frame';
  within: boolean;
}
/** The turntable's cameras, all together; `distance` is relative, see `cameraDistance`. */
export interface CamerasRow extends Judged {
  kind: 'cameras';
  distance: number;
}
/** A tensor of a splat that the chain made. */
export interface TensorRow extends Judged {
  kind: 'tensor';
}
/** A published picture of the turntable. */
export interface TurntableRow extends Judged {
  kind: 'turntable';
}
/** A score of the chain; `golden` or `now` is absent where only one side has it. */
export interface ScoreRow extends Judged {
  kind: 'score';
  unit: string;
  golden?: number;
  now?: number;
  bound: number;
  within: boolean;
}
export type Row = FrameRow | CamerasRow | TensorRow | TurntableRow | ScoreRow;

export interface Report {
  file: string;
  mode: Mode;
  /** Why not by bytes: how the adapter differs from the recording's, or that the user asked for it. */
  because: string[];
  /** What else is not as at the recording: versions. */
  notes: string[];
  adapter: { recorded: string; now: string };
  tolerance: Difference;
  rows: Row[];
  seconds: number;
}

/** Undefined where this mode cannot tell. */
export function passes(row: Row, mode: Mode): boolean | undefined {
  return mode === 'bytes' ? row.exact : row.within;
}

export function failures(report: Report): Row[] {
  return report.rows.filter((row) => passes(row, report.mode) === false);
}

/** What is wrong with a row, in a few words. */
export function complaint(row: Row, mode: Mode, tolerance: Difference): string {
  switch (row.kind) {
    case 'frame': {
      const found = `differs by up to ${row.max} levels, ${row.mean} in the mean, SSIM ${row.ssim}`;
      return mode === 'bytes'
        ? `${found}; on this adapter it must be equal`
        : `${found}; allowed are ${tolerance.max}, ${tolerance.mean} and ${tolerance.ssim}`;
    }
    case 'cameras':
      return `differ from the recorded ones by ${row.distance} of their size`;
    case 'tensor':
    case 'turntable':
      return 'is not byte for byte as recorded';
    case 'score': {
      const { golden, now, unit, bound } = row;
      if (golden === undefined) return `is ${now} (${unit}) and was not there when the golden was recorded`;
      if (now === undefined) return `was ${golden} (${unit}) and is no longer there`;
      return `was ${golden} and is ${now} (${unit})${mode === 'bytes' ? '; on this adapter it must be equal' : `; allowed is ±${bound}`}`;
    }
  }
}

/** `frame turntable-0000`, for a sentence. */
export function subject(row: Row): string {
  const names = {
    frame: `golden frame ${row.name}`,
    cameras: `the ${row.name}`,
    tensor: `tensor ${row.name}`,
    turntable: `turntable picture ${row.name}`,
    score: `score ${row.name}`,
  };
  return names[row.kind];
}

/** One sentence: how many, and the first of each kind, in the order in which they were made. */
export function summary(report: Report): string {
  const failed = failures(report);
  const total = report.rows.filter((row) => passes(row, report.mode) !== undefined).length;
  if (!failed.length) return `${report.file}: all ${total} as recorded`;
  const kinds = [...new Set(failed.map(({ kind }) => kind))];
  const firsts = kinds.map((kind) => failed.find((row) => row.kind === kind)!);
  const said = firsts.map((row) => `${subject(row)} ${complaint(row, report.mode, report.tolerance)}`);
  return [
    `${report.file}: ${failed.length} of ${total} are not as recorded. The first of each kind:`,
    ...said.map((line) => `  ${line}`),
  ].join('\n');
}
