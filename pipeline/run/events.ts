import type { AdapterReport, LedgerRow } from '../../wgsl/core/index.ts';

/** The events of a run; `--json` prints each as one line. */
export type RunEvent =
  | { event: 'run'; name: string; out: string; seed: number; stages: string[]; adapter: AdapterReport }
  /** The folder has results of an earlier run that this one replaces; `isKept` if the store still has them. */
  | {
      event: 'replaces';
      run: string;
      status: 'running' | 'done' | 'failed' | 'stopped';
      isKept: boolean;
      store: string;
      changes: string;
    }
  | { event: 'stage'; stage: string; index: number; count: number }
  /** The store has the stage's results; `seconds` is the time of the original computation. */
  | { event: 'cached'; stage: string; key: string; seconds: number }
  /** Another process is running the stage. */
  | { event: 'wait'; stage: string; text: string }
  | FetchEvent
  | ProgressEvent
  | { event: 'note'; stage: string; text: string }
  | { event: 'warn'; stage: string; text: string }
  | { event: 'done'; stage: string; seconds: number }
  | ({ event: 'result' } & RunResult)
  /** The page that shows the run; `isNew` if it was written, as it did not show these results yet. */
  | { event: 'report'; file: string; isNew: boolean };

/** A model is fetched from the Hugging Face Hub; `bytes` of `total` are on this machine. */
export interface FetchEvent {
  event: 'fetch';
  model: string;
  bytes: number;
  total: number;
  /** Bytes per second over the last seconds. */
  perSecond: number;
  secondsLeft: number;
}

export interface ProgressEvent {
  event: 'progress';
  stage: string;
  step: number;
  steps: number;
  metrics: Record<string, number>;
  /** After a resume: the steps that an earlier run finished. */
  from?: number;
  /** Steps per second over the last seconds; 0 until a step of this run is done. */
  perSecond: number;
  /** 0 while `perSecond` is. */
  secondsLeft: number;
  /** The adapter compiles kernels for the next step. */
  compiling?: boolean;
  /** How long it did. */
  compileSeconds?: number;
}

export interface RunResult {
  /** The run's folder, absolute. */
  out: string;
  /** Absolute paths of all current result files, including those of later stages. */
  files: string[];
  /** Absolute paths of stale results, of a run with other settings. */
  stale: string[];
  /** Remarks on the results. */
  remarks: string[];
  seconds: number;
  /** Ids of the stages that ran; the others were cached, read or not needed. */
  ran: string[];
  /** Bytes transferred between CPU and GPU, by stage and purpose. */
  ledger: LedgerRow[];
}

type Rate = Pick<ProgressEvent, 'perSecond' | 'secondsLeft' | 'compiling' | 'compileSeconds'>;

/**
 * Steps per second over a sliding window. Time counts from the first mark of this run, so that neither set-up and compilation nor
 * the steps of an earlier run distort the rate. The window is long because steps are reported when they are recorded, and the
 * GPU executes many of them between two readbacks.
 */
export class RateMeter {
  readonly #now: () => number;
  readonly #windowSeconds: number;
  #marks: { step: number; at: number }[] = [];
  #compilingSince?: number;
  #compileSeconds = 0;

  constructor(now: () => number = () => performance.now() / 1000, windowSeconds = 30) {
    this.#now = now;
    this.#windowSeconds = windowSeconds;
  }

  /** The time from now to the next mark is that of compiling kernels. */
  compiling(): Rate {
    this.#compilingSince = this.#now();
    return { perSecond: 0, secondsLeft: 0, compiling: true };
  }

  mark(step: number, steps: number): Rate {
    const at = this.#now();
    if (this.#compilingSince !== undefined) {
      const seconds = at - this.#compilingSince;
      this.#compileSeconds += seconds;
      for (const mark of this.#marks) mark.at += seconds; // no part of the window
      this.#compilingSince = undefined;
    }
    if (step < (this.#marks.at(-1)?.step ?? 0)) this.#marks = []; // the steps since are done again
    this.#marks.push({ step, at });
    while (this.#marks.length > 2 && at - this.#marks[1].at > this.#windowSeconds) this.#marks.shift();
    const [first] = this.#marks;
    const seconds = at - first.at;
    const perSecond = seconds > 0 ? (step - first.step) / seconds : 0;
    const secondsLeft = perSecond > 0 ? Math.max(0, steps - step) / perSecond : 0;
    const compileSeconds = this.#compileSeconds;
    return { perSecond, secondsLeft, ...(compileSeconds > 0 && { compileSeconds }) };
  }
}
