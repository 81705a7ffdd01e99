import { MATRIX_FILE, type MatrixEvent, type MatrixRecord } from '../matrix/record.ts';
import type { FetchEvent, ProgressEvent, RunEvent, RunResult } from '../run/events.ts';
import { byteSize, count, duration, grouped, shortPath, table } from './format.ts';

/** The output of progress. A terminal has columns, and its last lines can be rewritten. */
export interface Screen {
  isTTY?: boolean;
  columns?: number;
  write(text: string): unknown;
}

/** Seconds between two lines of progress: where the line is rewritten, and where each is printed. */
const REDRAW_SECONDS = 0.1;
const PLAIN_LINE_SECONDS = 5;

/**
 * Prints the events of a run or of a matrix. A stage, or a running cell of a matrix, has one line. A terminal shows these
 * lines at the bottom and rewrites them; elsewhere they are printed again every few seconds.
 */
export function progressPrinter(screen: Screen, now: () => number = () => performance.now() / 1000) {
  const lines = liveLines(screen, now);
  /** The latest progress of each cell's current stage; a run without a matrix is the cell ''. */
  const progress = new Map<string, ProgressEvent>();
  let width = 8;
  let isAllCached = true;
  const widen = (names: readonly string[]) => {
    width = Math.max(width, ...names.map((name) => name.length));
  };
  const row = (name: string, text: string) => `${name.padEnd(width)}  ${text}`;

  return (event: RunEvent | MatrixEvent) => {
    const cell = 'cell' in event ? event.cell : '';
    const stageRow = (stage: string, text: string) => row(cell || stage, cell ? `${stage}  ${text}` : text);
    /** Shows the result of a stage. It stays on the screen in a run; in a matrix it is the state of its cell. */
    const settle = (stage: string, text: string) => {
      if (cell) return lines.show(cell, stageRow(stage, text));
      lines.remove('');
      lines.print(stageRow(stage, text));
    };
    switch (event.event) {
      case 'run': {
        if (cell) return;
        const { name, stages, seed, adapter } = event;
        widen(stages);
        const device = adapter.description || adapter.device;
        return lines.print(`${name}: ${stages.join(' → ')}, seed ${seed}, on ${device}`);
      }
      case 'matrix': {
        const { name, cells, axes, jobs } = event;
        lines.remove(''); // that of fetched models
        widen(cells);
        const factors = Object.entries(axes).map(([axis, values]) => `${axis} (${values.length})`);
        const atATime = jobs > 1 ? `, ${jobs} at a time` : '';
        return lines.print(`${name}: ${count(cells.length, 'cell')} of ${factors.join(' × ')}${atATime}`);
      }
      case 'cell':
        return lines.show(cell, row(cell, `starts (${event.index + 1} of ${event.count})`));
      case 'stage':
        progress.delete(cell);
        return lines.start(cell, stageRow(event.stage, '…'));
      case 'progress':
        progress.set(cell, event);
        // The next report may be a minute away.
        return lines[event.compiling ? 'show' : 'update'](cell, stageRow(event.stage, progressText(event)));
      case 'fetch':
        return lines.update(cell, row(cell || 'fetch', fetchText(event)));
      case 'cached':
        return settle(event.stage, `cached (took ${duration(event.seconds)})`);
      case 'wait':
        return settle(event.stage, event.text);
      case 'done':
        isAllCached = false;
        return settle(event.stage, doneText(event.seconds, progress.get(cell)));
      case 'note':
        return cell ? undefined : lines.print(stageRow(event.stage, event.text));
      case 'warn':
        return lines.print(stageRow(event.stage, `warning: ${event.text}`));
      case 'result':
        return cell ? undefined : lines.print(...resultLines(event, isAllCached));
      case 'report':
        return cell ? undefined : lines.print(`Report: ${shortPath(event.file)}`);
      case 'cell-end': {
        const { status, seconds, error } = event;
        lines.remove(cell);
        return lines.print(row(cell, `${status} after ${duration(seconds)}${error ? `: ${error}` : ''}`));
      }
      case 'matrix-warn':
        return lines.print(`warning: ${event.text}`);
      case 'stopping':
        return lines.print(`stopping (${event.why}): the running cells save first`);
      case 'matrix-result':
        return lines.print(...matrixResultLines(event.record, event.out));
    }
  };
}

/** Permanent lines and, on a terminal, below them one line for each running stage or cell. */
function liveLines(screen: Screen, now: () => number) {
  const live = new Map<string, string>();
  const shownAt = new Map<string, number>();
  /** The number of lines at the bottom of the terminal to rewrite. */
  let drawn = 0;

  const print = (...lines: string[]) => {
    const clear = drawn ? `\x1b[${drawn}A\r\x1b[J` : '';
    const room = Math.max(20, (screen.columns ?? 100) - 1); // a line that wraps cannot be rewritten
    const below = screen.isTTY ? [...live.values()].map((line) => line.slice(0, room)) : [];
    screen.write(clear + [...lines, ...below].map((line) => `${line}\n`).join(''));
    drawn = below.length;
  };
  /** Sets the line of `name` and shows it. */
  const show = (name: string, line: string) => {
    live.set(name, line);
    shownAt.set(name, now());
    print(...(screen.isTTY ? [] : [line]));
  };
  /** Sets the line of `name`, and shows it unless it was shown very recently. */
  const update = (name: string, line: string) => {
    live.set(name, line);
    const seconds = screen.isTTY ? REDRAW_SECONDS : PLAIN_LINE_SECONDS;
    if (now() - (shownAt.get(name) ?? Number.NEGATIVE_INFINITY) >= seconds) show(name, line);
  };
  /** Sets the line of something that starts, which only a terminal shows. */
  const start = (name: string, line: string) => {
    if (screen.isTTY) show(name, line);
    else shownAt.set(name, now());
  };
  /** Removes a line, from the next print on. */
  const remove = (name: string) => void live.delete(name);
  return { print, show, update, start, remove };
}

/** `120/500  24.1 it/s  loss 0.081  1:16 left`, or `0/500  compiling kernels`. */
export function progressText(event: ProgressEvent): string {
  const { step, steps, metrics, perSecond, secondsLeft, compiling } = event;
  if (compiling) return `${step}/${steps}  compiling kernels`;
  const rate = perSecond > 0 ? [`${perSecond.toPrecision(3)} it/s`] : [];
  const left = perSecond > 0 && step < steps ? [`${duration(secondsLeft)} left`] : [];
  return [`${step}/${steps}`, ...rate, ...metricTexts(metrics), ...left].join('  ');
}

const BAR = 20;

/** `openai/clip-vit-base-patch32  ████████░░░░░░░░░░░░  242 MiB of 577 MiB  34 MiB/s  10 s left`. */
function fetchText({ model, bytes, total, perSecond, secondsLeft }: FetchEvent): string {
  const full = Math.floor((BAR * bytes) / total);
  const bar = '█'.repeat(full) + '░'.repeat(BAR - full);
  const rate = perSecond > 0 ? [`${byteSize(perSecond)}/s`, `${duration(secondsLeft)} left`] : [];
  return [model, bar, `${byteSize(bytes)} of ${byteSize(total)}`, ...rate].join('  ');
}

/**
 * `done in 1:12, 300 steps, 4.2 it/s, loss 0.05`. After a resume the rate is that of this run's steps. The time of compiling
 * kernels does not count; the line states it from one second on.
 */
function doneText(seconds: number, last?: ProgressEvent): string {
  const done = `done in ${duration(seconds)}`;
  if (!last) return done;
  const { step, from = 0, metrics, compileSeconds = 0 } = last;
  const working = seconds - compileSeconds;
  const compiled = compileSeconds >= 1 ? [`${duration(compileSeconds)} of it compiling kernels`] : [];
  const steps = from ? `${step} steps, ${step - from} of them in this run` : `${step} steps`;
  const rate = working > 0 ? [`${((step - from) / working).toPrecision(3)} it/s`] : [];
  return [done, ...compiled, steps, ...rate, ...metricTexts(metrics)].join(', ');
}

function metricTexts(metrics: Record<string, number>): string[] {
  return Object.entries(metrics).map(
    ([name, value]) => `${name} ${Number.isInteger(value) ? value : Number(value.toPrecision(4))}`,
  );
}

function resultLines({ seconds, out, files, stale, remarks }: RunResult, isAllCached: boolean): string[] {
  const status = isAllCached ? 'All cached: finished' : 'Finished';
  const leftover = 'From earlier runs, with other settings or stages that are not in this file:';
  return [
    `\n${status} in ${duration(seconds)}. Results in ${out}:`,
    ...grouped(files).map((group) => `  ${group}`),
    ...(stale.length ? [leftover] : []),
    ...grouped(stale).map((group) => `  ${group}`),
    ...remarks,
  ];
}

/** The cells and their scores as a table. Scores before restyling and shares of pixels are in `matrix.json` alone. */
function matrixResultLines({ cells, seconds }: MatrixRecord, out: string): string[] {
  const all = cells.flatMap(({ scores }) => scores.map(({ name }) => name));
  const names = [...new Set(all)].filter((name) => !/\.(before|covisible)$/.test(name));
  const rows = cells.map(({ name, status, seconds, scores }) => [
    name,
    status,
    seconds === undefined ? '' : duration(seconds),
    ...names.map((wanted) => {
      const value = scores.find((score) => score.name === wanted)?.value;
      return value === undefined ? '' : String(Number(value.toPrecision(5)));
    }),
  ]);
  const done = cells.filter(({ status }) => status === 'done').length;
  const sum = `${done} of ${count(cells.length, 'cell')} done in ${duration(seconds)}`;
  return [
    '',
    ...table([['cell', 'status', 'time', ...names], ...rows]),
    `\n${sum}. Results in ${shortPath(out)}, all scores in ${MATRIX_FILE} there.`,
  ];
}
