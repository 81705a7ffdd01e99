/*
 * The contents of a report, as plain JSON: a page embeds them and its script shows them. Pictures and videos are data URIs, or
 * paths relative to the page.
 */

export interface Picture {
  src: string;
  width: number;
  height: number;
}

/** Frames along one camera path, equally many in both lists. */
export interface Turntable {
  width: number;
  height: number;
  /** Names of the frames: `0007`. */
  names: string[];
  frames: string[];
  /** Before restyling; empty where nothing restyled the splat. */
  before: string[];
}

export interface ScoreData {
  name: string;
  value: number;
  unit: string;
  over: string;
  /** The same measurement before restyling. */
  before?: number;
  /** A sentence; only scores that have one are headlines. */
  meaning?: string;
}

/** A render of a held-out view beside its photograph. */
export interface HeldOutRender {
  render: Picture;
  /** |render − photograph|, brightened `gain` times. */
  difference: Picture;
  gain: number;
  /** dB. Both are absent where a mask covers the photograph. */
  psnr?: number;
  ssim?: number;
}

export interface HeldOutData {
  name: string;
  photograph: Picture;
  /** The splat of the run. */
  now: HeldOutRender;
  /** The splat before restyling. */
  before?: HeldOutRender;
}

/** Metrics of a stage over its steps: a value for each step. */
export interface CurveData {
  stage: string;
  steps: number[];
  series: { name: string; values: (number | null)[] }[];
}

export interface OptionData {
  /** `rates.means`. */
  name: string;
  value: string;
  /** Absent where the option has no default. */
  standard?: string;
}

export interface StageData {
  id: string;
  stage: string;
  summary: string;
  state: 'ran' | 'cached' | 'read' | 'unused' | 'not reached' | 'failed' | 'stopped';
  why?: string;
  /** Of the computation of the result, in this run or in an earlier one. */
  seconds: number;
  peakBytes: number;
  bytesUp: number;
  bytesDown: number;
  /** What it takes from which stage. */
  inputs: { artefact: string; from: string }[];
  /** The options that differ from the defaults. */
  options: OptionData[];
  seed: number;
  key: string;
}

export interface FileData {
  path: string;
  bytes: number;
  sha256: string;
}

/** Labels and values. */
export type Facts = [label: string, value: string][];

interface Head {
  name: string;
  /** When it was written, ISO. */
  made: string;
  status: 'running' | 'done' | 'failed' | 'stopped';
  error?: string;
}

/** The viewer of a splat, for the page of a run. */
export interface ViewerData {
  /** JSON of the viewer's HTML in two parts, gzip and base64: the base64 of a splat belongs between them. */
  page: string;
  /** Compressed .ply, base64. */
  splats: { now: string; before?: string };
  /** Of the splats in the page; the degree of the run's splat is higher where it would not fit. */
  shDegree: number;
  trainedDegree: number;
  /** Of the turntable. */
  width: number;
  height: number;
}

export interface RunReport extends Head {
  kind: 'run';
  prompt?: string;
  gaussians?: number;
  /** Of the computation of all results, also in earlier runs. */
  seconds: number;
  video?: { src: string; poster?: Picture };
  turntable?: Turntable;
  /** Or the command that adds it; absent where the run has no splat to show. */
  viewer?: ViewerData | string;
  scores: ScoreData[];
  heldOut: HeldOutData[];
  curves: CurveData[];
  stages: StageData[];
  /** Bytes between CPU and GPU outside of the stages. */
  otherTransfers: { name: string; bytesUp: number; bytesDown: number }[];
  machine: Facts;
  versions: Facts;
  command: string;
  cwd: string;
  files: FileData[];
}

export interface MatrixCell {
  name: string;
  values: Record<string, string | number | boolean>;
  status: string;
  error?: string;
  seconds?: number;
  /** By the name of the score. */
  scores: Record<string, number>;
  /** The path of its report. */
  report?: string;
  /** The address of the newest picture of its splat, while it runs. */
  preview?: string;
}

export interface MatrixReport extends Head {
  kind: 'matrix';
  seconds: number;
  axes: string[];
  /** Names of the scores that any cell has, with their units. */
  scores: { name: string; unit: string }[];
  cells: MatrixCell[];
  /** The contact sheet. */
  sheet?: string;
  command: string;
  cwd: string;
  /** It runs, and the server sends its changes. */
  isFollowed?: boolean;
}

export interface ComparedRun {
  name: string;
  folder: string;
  status: string;
  turntable?: Turntable;
}

export interface ComparisonReport extends Head {
  kind: 'comparison';
  runs: ComparedRun[];
  /** A value for each run; absent where a run has no such stage or option. */
  options: { name: string; values: (string | undefined)[] }[];
  scores: { name: string; unit: string; values: (number | undefined)[] }[];
  /** sha256 of the results that differ: files, and tensors and pictures as `stages/<stage>/<artefact> <part>`. */
  files: { name: string; values: (string | undefined)[] }[];
}

/** A stage of a running run. */
export interface LiveStage {
  id: string;
  state: 'waiting' | 'running' | 'ran' | 'cached';
  /** When it began, milliseconds since 1970. */
  began?: number;
  /** Of its computation, also in an earlier run. */
  seconds?: number;
  progress?: LiveProgress;
}

export interface LiveProgress {
  step: number;
  steps: number;
  metrics: Record<string, number>;
  perSecond: number;
  secondsLeft: number;
  compiling?: boolean;
}

/** A running run. The page receives it again with each change. */
export interface LiveReport extends Head {
  kind: 'live';
  adapter: string;
  seed: number;
  stages: LiveStage[];
  curves: CurveData[];
  /** Notes and warnings, the newest last. */
  notes: { stage: string; text: string; isWarning: boolean }[];
  /** The address of the newest picture of the splat. */
  preview?: string;
}

/** A change: the run as it is now. Without curves, they are as before. */
export type LiveUpdate = Omit<LiveReport, 'curves'> & Partial<Pick<LiveReport, 'curves'>>;

export interface ListedRun {
  name: string;
  /** Its address, relative to the page. */
  href: string;
  kind: 'run' | 'matrix';
  status: 'running' | 'done' | 'failed' | 'stopped' | 'unreadable';
  /** When it was written, ISO. */
  made: string;
  /** `name@key` of the results in the folder; none before the first result. */
  run?: string;
  error?: string;
  prompt?: string;
  /** Of the computation of all results, also in earlier runs. */
  seconds?: number;
  /** Of all results. */
  bytes?: number;
  /** By the name of the score. */
  scores: Record<string, number>;
}

export interface RunList extends Head {
  kind: 'list';
  runs: ListedRun[];
}

/** A golden camera: its recorded picture, and the recorded splat rendered now. */
export interface GoldenFrame {
  name: string;
  /** Of the difference, in 8-bit levels. */
  max: number;
  mean: number;
  ssim: number;
  recorded: Picture;
  now: Picture;
  /** |now − recorded|, brightened `gain` times. */
  difference: Picture;
  gain: number;
  /** The splat of the checked run. */
  ofThisRun: Picture;
}

/** A check of golden renders. */
export interface GoldenReport extends Head {
  kind: 'golden';
  /** How it was judged, and what failed. */
  text: string;
  rows: { kind: string; name: string; verdict: string; found: string; required: string }[];
  /** The largest difference first. */
  frames: GoldenFrame[];
}

export type ReportData = RunReport | MatrixReport | ComparisonReport | LiveReport | RunList | GoldenReport;
