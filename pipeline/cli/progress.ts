import { relative } from 'node:path';
import type { ProgressEvent, RunEvent, RunResult } from '../run/events.ts';

/** Where progress goes. A terminal has columns and can rewrite its last line. */
export interface Screen {
  isTTY?: boolean;
  columns?: number;
  write(text: string): unknown;
}

/** Where lines cannot be rewritten: seconds from a stage's start to its first line, and between two lines. */
const FIRST_LINE_SECONDS = 1;
const PLAIN_LINE_SECONDS = 5;
const REDRAW_SECONDS = 0.1;
const CLEAR_LINE = '\r\x1b[2K';

/** Prints a run's events: a line per stage, rewritten on a terminal and repeated every few seconds elsewhere. */
export function progressPrinter(screen: Screen, now: () => number = () => performance.now() / 1000) {
  let width = 8;
  let shownAt = Number.NEGATIVE_INFINITY;
  /** Whether the last line on the terminal may be rewritten. */
  let open = false;
  let latest: ProgressEvent | undefined;
  const line = (text: string) => {
    screen.write(`${open ? CLEAR_LINE : ''}${text}\n`);
    open = false;
  };
  const redraw = (text: string) => {
    screen.write(CLEAR_LINE + text.slice(0, Math.max(20, (screen.columns ?? 100) - 1)));
    open = true;
  };
  const label = (stage: string) => `${stage.padEnd(width)}  `;

  return (event: RunEvent): void => {
    switch (event.event) {
      case 'run': {
        const { name, stages, seed, adapter } = event;
        width = Math.max(...stages.map((stage) => stage.length), 8);
        line(`${name}: ${stages.join(' → ')}, seed ${seed}, on ${adapter.description || adapter.device}`);
        return;
      }
      case 'cached':
        line(`${label(event.stage)}cached (took ${duration(event.seconds)})`);
        return;
      case 'wait':
      case 'note':
        line(label(event.stage) + event.text);
        return;
      case 'warn':
        line(`${label(event.stage)}warning: ${event.text}`);
        return;
      case 'stage':
        latest = undefined;
        shownAt = screen.isTTY ? Number.NEGATIVE_INFINITY : now() - PLAIN_LINE_SECONDS + FIRST_LINE_SECONDS;
        if (screen.isTTY) redraw(`${label(event.stage)}…`);
        return;
      case 'progress': {
        latest = event;
        if (now() - shownAt < (screen.isTTY ? REDRAW_SECONDS : PLAIN_LINE_SECONDS)) return;
        shownAt = now();
        const text = label(event.stage) + progressText(event);
        if (screen.isTTY) redraw(text);
        else line(text);
        return;
      }
      case 'done': {
        const steps = latest ? `, ${stepsText(latest, event.seconds)}` : '';
        line(`${label(event.stage)}done in ${duration(event.seconds)}${steps}`);
        return;
      }
      case 'result':
        resultLines(event).forEach(line);
    }
  };
}

/** `120/500  24.1 it/s  loss 0.081  1:16 left`. */
export function progressText({ step, steps, metrics, perSecond, secondsLeft }: ProgressEvent): string {
  const rate = perSecond > 0 ? [`${perSecond.toPrecision(3)} it/s`] : [];
  const left = perSecond > 0 && step < steps ? [`${duration(secondsLeft)} left`] : [];
  return [`${step}/${steps}`, ...rate, ...metricTexts(metrics), ...left].join('  ');
}

/** `300 steps, 4.2 it/s, loss 0.05`: over the stage. After a resume the rate is that of this run's steps. */
function stepsText({ step, from = 0, metrics }: ProgressEvent, seconds: number): string {
  const steps = from ? `${step} steps, ${step - from} of them in this run` : `${step} steps`;
  const rate = seconds > 0 ? [`${((step - from) / seconds).toPrecision(3)} it/s`] : [];
  return [steps, ...rate, ...metricTexts(metrics)].join(', ');
}

function metricTexts(metrics: Record<string, number>): string[] {
  return Object.entries(metrics).map(
    ([name, value]) => `${name} ${Number.isInteger(value) ? value : Number(value.toPrecision(4))}`,
  );
}

function resultLines({ ran, seconds, out, files, stale, remarks }: RunResult): string[] {
  const status = ran.length ? 'Finished' : 'All cached: finished';
  const leftover = stale.length
    ? ['Left from earlier runs, with other settings or of stages that this file does not have:']
    : [];
  return [
    `\n${status} in ${duration(seconds)}. Results in ${out}:`,
    ...grouped(files).map((group) => `  ${group}`),
    ...leftover,
    ...grouped(stale).map((group) => `  ${group}`),
    ...remarks,
  ];
}

/** `0.8 s`, `42 s`, `3:05`, `1:02:03`. */
export function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (value: number) => String(value).padStart(2, '0');
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** Paths relative to `cwd`; for a folder with many files, the first and last and their number. */
export function grouped(files: readonly string[], cwd = process.cwd()): string[] {
  const folders = new Map<string, string[]>();
  for (const file of files) {
    const folder = file.slice(0, file.lastIndexOf('/') + 1);
    folders.set(folder, [...(folders.get(folder) ?? []), file]);
  }
  const short = (file: string) => {
    const path = relative(cwd, file);
    return path.startsWith('..') ? file : path;
  };
  return [...folders.values()].flatMap((inside) =>
    inside.length <= 8
      ? inside.map(short)
      : [`${short(inside[0])} … ${short(inside.at(-1)!).split('/').at(-1)} (${inside.length} files)`],
  );
}
