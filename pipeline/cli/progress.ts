import { relative } from 'node:path';
import type { ProgressEvent, RunEvent } from '../run/events.ts';

/** Where progress goes: a terminal has columns and can rewrite its last line. */
export interface Screen {
  isTTY?: boolean;
  columns?: number;
  write(text: string): unknown;
}

/** Where lines cannot be rewritten: from a stage's start to its first line, and between two lines. */
const FIRST_LINE_SECONDS = 1;
const PLAIN_LINE_SECONDS = 5;
const REDRAW_SECONDS = 0.1;
const CLEAR_LINE = '\r\x1b[2K';

/**
 * Prints a run's events for people: a line per stage that is rewritten in place on a terminal, and elsewhere repeated
 * every few seconds.
 */
export function progressPrinter(screen: Screen, now: () => number = () => performance.now() / 1000) {
  let width = 8;
  let shown = Number.NEGATIVE_INFINITY;
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
  const label = (stage: string) => stage.padEnd(width);

  return (event: RunEvent): void => {
    switch (event.event) {
      case 'run': {
        width = Math.max(...event.stages.map((stage) => stage.length), 8);
        const { adapter } = event;
        line(
          `${event.name}: ${event.stages.join(' → ')}, seed ${event.seed}, on ${adapter.description || adapter.device}`,
        );
        return;
      }
      case 'cached':
        line(`${label(event.stage)}  cached (took ${duration(event.seconds)})`);
        return;
      case 'wait':
        line(`${label(event.stage)}  ${event.text}`);
        return;
      case 'stage':
        latest = undefined;
        shown = screen.isTTY ? Number.NEGATIVE_INFINITY : now() - PLAIN_LINE_SECONDS + FIRST_LINE_SECONDS;
        if (screen.isTTY) redraw(`${label(event.stage)}  …`);
        return;
      case 'progress': {
        latest = event;
        const due = now() - shown >= (screen.isTTY ? REDRAW_SECONDS : PLAIN_LINE_SECONDS);
        if (!due) return;
        shown = now();
        const text = `${label(event.stage)}  ${progressText(event)}`;
        if (screen.isTTY) redraw(text);
        else line(text);
        return;
      }
      case 'note':
        line(`${label(event.stage)}  ${event.text}`);
        return;
      case 'warn':
        line(`${label(event.stage)}  warning: ${event.text}`);
        return;
      case 'done': {
        const last = latest ? `, ${summary(latest, event.seconds)}` : '';
        line(`${label(event.stage)}  done in ${duration(event.seconds)}${last}`);
        return;
      }
      case 'result':
        line(
          `\n${event.ran.length ? 'Finished' : 'All cached: finished'} in ${duration(event.seconds)}. Results in ${event.out}:`,
        );
        for (const group of grouped(event.files)) line(`  ${group}`);
    }
  };
}

/** `120/500  24.1 it/s  loss 0.081  1:16 left`. */
export function progressText({ step, steps, metrics, perSecond, secondsLeft }: ProgressEvent): string {
  const rate = perSecond > 0 ? [`${perSecond.toPrecision(3)} it/s`] : [];
  const left = perSecond > 0 && step < steps ? [`${duration(secondsLeft)} left`] : [];
  return [`${step}/${steps}`, ...rate, ...metricTexts(metrics), ...left].join('  ');
}

/** `300 steps, 4.2 it/s, loss 0.05`: over the whole stage. */
function summary({ step, metrics }: ProgressEvent, seconds: number): string {
  const rate = seconds > 0 ? [`${(step / seconds).toPrecision(3)} it/s`] : [];
  return [`${step} steps`, ...rate, ...metricTexts(metrics)].join(', ');
}

function metricTexts(metrics: Record<string, number>): string[] {
  return Object.entries(metrics).map(
    ([name, value]) => `${name} ${Number.isInteger(value) ? value : Number(value.toPrecision(4))}`,
  );
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

/** The files' paths; of a folder with many files, the first and how many more. */
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
