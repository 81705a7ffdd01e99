import { resolve } from 'node:path';
import cliTruncate from 'cli-truncate';
import { createLogUpdate } from 'log-update';
import { MATRIX_FILE, type MatrixEvent, type MatrixRecord } from '../matrix/record.ts';
import type { FetchEvent, ProgressEvent, RunEvent, RunResult } from '../run/events.ts';
import { DEFAULT_STORE } from './flags.ts';
import { byteSize, count, duration, grouped, shortPath, table } from './format.ts';

/** The output of progress. A terminal has columns, and its last lines can be rewritten. */
export interface Screen {
  isTTY?: boolean;
  columns?: number;
  rows?: number;
  write(text: string): unknown;
}

/** Seconds between two lines of progress: where the line is rewritten, and where each is printed. */
const REDRAW_SECONDS = 0.1;
const PLAIN_LINE_SECONDS = 5;
const DEFAULT_COLUMNS = 80;

/** A stream whose lines can be rewritten: not in the log of a CI job, nor on a terminal without control codes. */
export function isRewritable({ isTTY }: Screen, { TERM, CI }: NodeJS.ProcessEnv): boolean {
  return Boolean(isTTY) && TERM !== 'dumb' && !CI;
}

export interface ProgressPrinter {
  (event: RunEvent | MatrixEvent): void;
  /** Leaves the lines of running stages where they are, before something else writes to the terminal. */
  release(): void;
}

/**
 * Prints the events of a run or of a matrix. A stage, or a running cell of a matrix, has one line. A terminal shows these
 * lines at the bottom and rewrites them; elsewhere they are printed again every few seconds.
 */
export function progressPrinter(
  screen: Screen,
  now: () => number = () => performance.now() / 1000,
): ProgressPrinter {
  const lines = liveLines(screen, now);
  /** The latest progress of each cell's current stage; a run without a matrix is the cell ''. */
  const progress = new Map<string, ProgressEvent>();
  let width = 8;
  let isAllCached = true;
  const widen = (names: readonly string[]) => {
    width = Math.max(width, ...names.map((name) => name.length));
  };
  const row = (name: string, text: string) => `${name.padEnd(width)}  ${text}`;

  const print = (event: RunEvent | MatrixEvent) => {
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
      case 'replaces':
        return lines.print(...replacesLines(event).map((text) => (cell ? row(cell, text) : text)));
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
        return lines[event.compiling ? 'show' : 'update'](cell, (room) =>
          room
            ? fitted(stageRow(event.stage, ''), progressParts(event, room), room)
            : stageRow(event.stage, progressText(event)),
        );
      case 'fetch':
        return lines.update(cell, (room) => fitted(row(cell || 'fetch', ''), fetchParts(event), room));
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
  return Object.assign(print, { release: lines.release });
}

/** A line, or the line that fits into so many columns; away from a terminal there is no limit. */
type Line = string | ((room?: number) => string);

/** Prints to this process's output, until `signal` aborts: later output goes below the lines of running stages. */
export function standardPrinter(signal: AbortSignal): ProgressPrinter {
  const { stdout, env } = process;
  const screen = isRewritable(stdout, env) ? stdout : { write: (text: string) => stdout.write(text) };
  const print = progressPrinter(screen);
  signal.addEventListener('abort', print.release);
  return print;
}

/** Permanent lines and, on a terminal, below them one line for each running stage or cell. */
function liveLines(screen: Screen, now: () => number) {
  const live = new Map<string, Line>();
  const shownAt = new Map<string, number>();
  const columns = () => screen.columns ?? DEFAULT_COLUMNS;
  /** What one `print` writes, which a terminal shows at once. */
  let frame = '';
  const output = {
    isTTY: true,
    get columns() {
      return columns();
    },
    get rows() {
      return screen.rows;
    },
    write: (text: string) => void (frame += text),
  };
  const redraw = createLogUpdate(output as unknown as NodeJS.WritableStream, { showCursor: true });

  const textOf = (line: Line, room?: number) => (typeof line === 'string' ? line : line(room));
  const print = (...lines: string[]) => {
    const text = lines.map((line) => `${line}\n`).join('');
    if (!screen.isTTY) return void screen.write(text);
    const room = Math.max(20, columns() - 1); // a line that wraps cannot be rewritten
    const below = [...live.values()].map((line) => cliTruncate(textOf(line, room), room));
    if (text || !below.length) redraw.clear();
    frame += text;
    if (below.length) redraw(below.join('\n'));
    if (frame) screen.write(frame);
    frame = '';
  };
  /** Sets the line of `name` and shows it. */
  const show = (name: string, line: Line) => {
    live.set(name, line);
    shownAt.set(name, now());
    print(...(screen.isTTY ? [] : [textOf(line)]));
  };
  /** Sets the line of `name`, and shows it unless it was shown very recently. */
  const update = (name: string, line: Line) => {
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
  return { print, show, update, start, remove, release: () => redraw.done() };
}

/** A part of a line. Where a line is too long, the parts with the largest rank go first. */
interface Part {
  text: string;
  rank: number;
}

/** `head` and, in their order, the parts that fit into `room` columns. Those of rank 0 stay in any case. */
function fitted(head: string, parts: readonly Part[], room?: number): string {
  const ranks = [...new Set(parts.map(({ rank }) => rank))].sort((a, b) => b - a);
  let line = head;
  for (const largest of ranks) {
    const shown = parts.filter(({ rank }) => rank <= largest);
    line = head + shown.map(({ text }) => text).join('  ');
    if (room === undefined || cliTruncate(line, room) === line) break;
  }
  return line;
}

const BAR = 20;
const SHORT_BAR = 8;
/** On a narrower terminal the bar is short. */
const WIDE = 80;

function bar(share: number, width: number): string {
  const full = Math.floor(width * Math.min(1, share));
  return '█'.repeat(full) + '░'.repeat(width - full);
}

/** The metrics of quality; a line keeps the first that a stage has. */
const FIRST_METRICS = ['psnr', 'clip', 'loss'];

/** `████████░░░░░░░░░░░░  42%  2940/7000  24.1 it/s  psnr 24.3  splats 81000  1:16 left`. */
function progressParts(event: ProgressEvent, room: number): Part[] {
  const { step, steps, metrics, perSecond, secondsLeft, compiling } = event;
  const share = step / Math.max(1, steps);
  const percent = `${Math.floor(100 * share)}%`;
  const first = FIRST_METRICS.find((name) => name in metrics) ?? Object.keys(metrics)[0];
  const rankOf = (name: string) => (name === first ? 2 : name === 'splats' ? 3 : 5);
  const isMoving = perSecond > 0 && !compiling;
  return [
    { text: `${bar(share, room < WIDE ? SHORT_BAR : BAR)} ${percent.padStart(4)}`, rank: 0 },
    { text: `${step}/${steps}`, rank: 4 },
    ...(compiling ? [{ text: 'compiling kernels', rank: 0 }] : []),
    ...(isMoving ? [{ text: rateText(perSecond), rank: 1 }] : []),
    ...(compiling ? [] : metricTexts(metrics).map(({ name, text }) => ({ text, rank: rankOf(name) }))),
    ...(isMoving && step < steps ? [{ text: leftText(secondsLeft), rank: 0 }] : []),
  ];
}

/** `120/500  24.1 it/s  loss 0.081  1:16 left`, or `0/500  compiling kernels`. */
export function progressText(event: ProgressEvent): string {
  const { step, steps, metrics, perSecond, secondsLeft, compiling } = event;
  if (compiling) return `${step}/${steps}  compiling kernels`;
  const rate = perSecond > 0 ? [rateText(perSecond)] : [];
  const left = perSecond > 0 && step < steps ? [leftText(secondsLeft)] : [];
  return [`${step}/${steps}`, ...rate, ...metricTexts(metrics).map(({ text }) => text), ...left].join('  ');
}

const rateText = (perSecond: number) => `${perSecond.toPrecision(3)} it/s`;
const leftText = (seconds: number) => `${duration(seconds)} left`;

/** `openai/clip-vit-base-patch32  ████████░░░░░░░░░░░░  242 MiB of 577 MiB  34 MiB/s  10 s left`. */
function fetchParts({ model, bytes, total, perSecond, secondsLeft }: FetchEvent): Part[] {
  return [
    { text: model, rank: 1 },
    { text: bar(bytes / total, BAR), rank: 2 },
    { text: `${byteSize(bytes)} of ${byteSize(total)}`, rank: 0 },
    ...(perSecond > 0
      ? [
          { text: `${byteSize(perSecond)}/s`, rank: 3 },
          { text: leftText(secondsLeft), rank: 0 },
        ]
      : []),
  ];
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
  return [done, ...compiled, steps, ...rate, ...metricTexts(metrics).map(({ text }) => text)].join(', ');
}

function metricTexts(metrics: Record<string, number>): { name: string; text: string }[] {
  return Object.entries(metrics).map(([name, value]) => {
    return { name, text: `${name} ${Number.isInteger(value) ? value : Number(value.toPrecision(4))}` };
  });
}

/** How a run ended, by the status in its run.json. A killed run leaves `running` there. */
const ENDS = { done: 'is done', failed: 'failed', stopped: 'was stopped', running: 'was killed' };

/** What a run replaces, why, and how to get it back. */
function replacesLines({ run, status, isKept, store, changes }: RunEvent & { event: 'replaces' }): string[] {
  const results = status === 'done' ? `the results of ${run}` : `results of a run that ${ENDS[status]}`;
  const place = store === resolve(DEFAULT_STORE) ? '' : ` --store ${shortPath(store)}`;
  return [
    `Replaces ${results}: ${changes}.`,
    ...(isKept ? [`They stay in the store: splatline runs --restore ${run}${place}`] : []),
  ];
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
