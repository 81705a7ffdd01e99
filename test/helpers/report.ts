import type { Report } from '../../stages/stage.ts';

/** A report that records its calls. */
export function recordingReport(): Report & { notes: string[]; warnings: string[]; steps: number[] } {
  const [notes, warnings, steps]: [string[], string[], number[]] = [[], [], []];
  return {
    notes,
    warnings,
    steps,
    progress: ({ step }) => void steps.push(step),
    note: (text) => void notes.push(text),
    warn: (text) => void warnings.push(text),
  };
}
