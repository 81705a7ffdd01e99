import type { CheckpointStore } from '../../stages/checkpoints.ts';
import type { Report } from '../../stages/stage.ts';

/** A stage's log in the folder of its records: a JSON object a line, at most one in 50 steps. */
export const METRICS_FILE = 'metrics.jsonl';

/** Significant digits of a value: those of a float. */
const DIGITS = 7;

/**
 * Collects the metrics that a stage reports as those of a step. Its checkpoints contain the lines so far, so a stage that
 * resumes has the log of one that was never interrupted.
 */
export class MetricsLog {
  readonly #onLines: (lines: readonly string[]) => void;
  #lines: { step: number; text: string }[] = [];

  /** `onLines` receives each new line, and those of a checkpoint. */
  constructor(onLines: (lines: readonly string[]) => void = () => {}) {
    this.#onLines = onLines;
  }

  /** The file's text up to a step; empty without lines. */
  text(upTo = Number.POSITIVE_INFINITY): string {
    return this.#lines
      .filter(({ step }) => step <= upTo)
      .map(({ text }) => `${text}\n`)
      .join('');
  }

  /** A report that also fills the log. */
  over(report: Report): Report {
    return {
      ...report,
      progress: (progress) => {
        const { step, metrics = {}, logged } = progress;
        if (logged) this.#add(step, metrics);
        report.progress(progress);
      },
    };
  }

  /** A checkpoint store that also keeps the log. */
  keptIn(store: CheckpointStore): CheckpointStore {
    return {
      get stopping() {
        return store.stopping;
      },
      due: (step) => store.due(step),
      save: ({ step, numbers, tensors }) => {
        const lines = new TextEncoder().encode(this.text(step));
        return store.save({ step, numbers, tensors: { ...tensors, [METRICS_FILE]: lines } });
      },
      latest: async () => {
        const saved = await store.latest();
        if (!saved) return undefined;
        const { [METRICS_FILE]: lines = new Uint8Array(), ...tensors } = saved.tensors;
        const texts = new TextDecoder().decode(lines).split('\n').slice(0, -1);
        this.#lines = texts.map((text) => ({ step: (JSON.parse(text) as { step: number }).step, text }));
        this.#onLines(texts);
        return { ...saved, tensors };
      },
    };
  }

  #add(step: number, metrics: Record<string, number>): void {
    const finite = Object.entries(metrics).filter(([, value]) => Number.isFinite(value)); // JSON has no others
    const rounded = finite.map(([name, value]) => [name, Number(value.toPrecision(DIGITS))]);
    const text = JSON.stringify({ step, ...Object.fromEntries(rounded) });
    this.#lines.push({ step, text });
    this.#onLines([text]);
  }
}
