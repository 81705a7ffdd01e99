import type { AdapterReport, LedgerRow } from '../../wgsl/core/index.ts';

/** What a run tells while it runs; `--json` prints each as one line. */
export type RunEvent =
  | { event: 'run'; name: string; out: string; seed: number; stages: string[]; adapter: AdapterReport }
  | { event: 'stage'; stage: string; index: number; count: number }
  /** The stage's work was found in the store; `seconds` is what it took when it was done. */
  | { event: 'cached'; stage: string; key: string; seconds: number }
  /** Another process is at it. */
  | { event: 'wait'; stage: string; text: string }
  | ProgressEvent
  | { event: 'note'; stage: string; text: string }
  | { event: 'warn'; stage: string; text: string }
  | { event: 'done'; stage: string; seconds: number }
  | {
      event: 'result';
      out: string;
      files: string[];
      seconds: number;
      /** Ids of the stages whose work was done, not found. */
      ran: string[];
      ledger: LedgerRow[];
    };

export interface ProgressEvent {
  event: 'progress';
  stage: string;
  step: number;
  steps: number;
  metrics: Record<string, number>;
  /** Steps per second over the last few seconds; 0 until two steps are known. */
  perSecond: number;
  secondsLeft: number;
}

/**
 * Steps per second over a sliding window, so that a slow start or a growing splat does not mislead. The window is long
 * because steps are told when they are recorded, and the GPU does many of them between two looks.
 */
export class Meter {
  readonly #now: () => number;
  readonly #windowSeconds: number;
  #marks: { step: number; at: number }[] = [];

  constructor(now: () => number = () => performance.now() / 1000, windowSeconds = 30) {
    this.#now = now;
    this.#windowSeconds = windowSeconds;
    this.#marks.push({ step: 0, at: now() });
  }

  /** `from`: the steps that an earlier run had finished, which this one's time says nothing of. */
  mark(step: number, steps: number, from = 0): { perSecond: number; secondsLeft: number } {
    const at = this.#now();
    const [start] = this.#marks;
    if (start.step < from) start.step = from;
    this.#marks.push({ step, at });
    while (this.#marks.length > 2 && at - this.#marks[1].at > this.#windowSeconds) this.#marks.shift();
    const [first] = this.#marks;
    const seconds = at - first.at;
    const perSecond = seconds > 0 ? Math.max(0, step - first.step) / seconds : 0;
    return { perSecond, secondsLeft: perSecond > 0 ? Math.max(0, steps - step) / perSecond : 0 };
  }
}
