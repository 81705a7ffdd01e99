import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { type AdapterReport, InputError } from '../../wgsl/core/index.ts';
import { EXIT, exitCodeOf } from '../exit.ts';
import type { MatrixPlan } from '../file/read.ts';
import { type Started, startDetached } from '../process.ts';
import { type Manifest, readManifest } from '../run/manifest.ts';
import { checkFolder, MANIFEST } from '../run/run-folder.ts';
import { foldersOf, type Range } from '../run/stage-plan.ts';
import { explainDiskError, replaceDurably } from '../store/disk.ts';
import {
  type CellRecord,
  type CellRunEvent,
  MATRIX_FILE,
  type MatrixEvent,
  type MatrixRecord,
} from './record.ts';
import { equalCards, type Slot } from './slots.ts';

/** `out` is the folder of `matrix.json`, and each cell has a folder below it. All cells share the store. */
export interface MatrixOptions extends Range {
  matrix: MatrixPlan;
  /** `STAGE.OPTION=VALUE`, as given to `readMatrix`; every cell gets the same. */
  set?: readonly string[];
  /** Cells at a time. Default: one for each slot, or 1. */
  jobs?: number;
  /** Where the cells of each job run; fewer slots than jobs are taken in turn. Default: the driver's first adapter. */
  slots?: readonly Slot[];
  /** After a failed cell no other starts, and the running ones save and end. */
  failFast?: boolean;
  onEvent?(event: MatrixEvent): void;
  /** Aborts the matrix: the running cells get the signal that its reason, a `Stopped`, stands for, save and end. */
  signal?: AbortSignal;
  /** The folder where relative paths in `set` start. Default: the working directory. */
  cwd?: string;
  /** The program that runs a cell, with the arguments of `splatline`. Default: this package's command line. */
  program?: readonly string[];
}

/** This package's command line, started by the Node that runs this process. */
const SPLATLINE = [process.execPath, fileURLToPath(new URL('../splatline.mjs', import.meta.url))];
/** Limit on the kept output of a process besides its events. */
const LAST_LETTERS = 4000;

/**
 * Runs the cells of a matrix, each in its own process, and writes `matrix.json`. Cells share results
 * through the store: one computes a shared stage, the others wait. A failed cell does not stop the others.
 *
 * If this process exits first, it kills the running cells. `exitCode` of the record: 0 when all cells are done; 2 or 3 if
 * every failed cell ended with that code (invalid input, the adapter); 1 for other failures; 130 or 143 when stopped.
 *
 * @throws InputError where `out` cannot take results, or where slots are meant for different cards and run on one.
 */
export async function runMatrix(options: MatrixOptions): Promise<MatrixRecord> {
  return new MatrixRun(options).run();
}

class MatrixRun {
  readonly #options: MatrixOptions;
  readonly #cwd: string;
  readonly #out: string;
  readonly #store: string;
  readonly #slots: readonly Slot[];
  readonly #record: MatrixRecord;
  readonly #start = performance.now();
  readonly #running = new Set<Started>();
  /** The adapter that each slot's first cell reported. */
  readonly #reports = new Map<Slot, AdapterReport>();
  #next = 0;
  /** The reason for starting no more cells. */
  #stopped?: 'failed' | NodeJS.Signals;
  /** An error of the matrix itself, not of a cell. */
  #error?: unknown;
  #saving: Promise<void> = Promise.resolve();

  constructor(options: MatrixOptions) {
    const { matrix, set = [], slots, jobs = Math.max(1, slots?.length ?? 0) } = options;
    const { out, store } = foldersOf(matrix, options);
    this.#options = options;
    this.#cwd = options.cwd ?? process.cwd();
    this.#out = out;
    this.#store = store.root;
    this.#slots = slots?.length ? slots : [{ env: {} }];
    this.#record = {
      format: 1,
      status: 'running',
      name: matrix.name,
      file: matrix.file,
      set,
      axes: matrix.axes,
      jobs: Math.min(matrix.cells.length, jobs),
      seconds: 0,
      cells: matrix.cells.map(({ name, values }) => {
        return { name, values, folder: name, status: 'not started', stages: [], scores: [] };
      }),
    };
  }

  async run(): Promise<MatrixRecord> {
    const { signal } = this.#options;
    const { name, axes, cells, jobs } = this.#record;
    await checkFolder(this.#out, [MATRIX_FILE, MANIFEST]);
    await mkdir(this.#out, { recursive: true }).catch((error) => {
      throw explainDiskError(error, this.#out);
    });
    const onAbort = () => this.#stop(exitCodeOf(signal!.reason) === EXIT.interrupted ? 'SIGINT' : 'SIGTERM');
    const onExit = () => this.#kill('SIGKILL');
    signal?.addEventListener('abort', onAbort);
    process.once('exit', onExit);
    try {
      const names = cells.map((cell) => cell.name);
      this.#report({ event: 'matrix', name, out: this.#out, axes, cells: names, jobs });
      if (signal?.aborted) onAbort();
      await this.#save();
      await Promise.all(Array.from({ length: jobs }, (_, job) => this.#work(job)));
      await this.#finish();
    } finally {
      signal?.removeEventListener('abort', onAbort);
      process.off('exit', onExit);
    }
    if (this.#error) throw this.#error;
    return this.#record;
  }

  /** One job: takes the next cell until none is left. */
  async #work(job: number): Promise<void> {
    const slot = this.#slots[job % this.#slots.length];
    try {
      while (!this.#stopped && this.#next < this.#record.cells.length) {
        await this.#runCell(this.#next++, slot);
      }
    } catch (error) {
      this.#fail(explainDiskError(error, this.#out));
    }
  }

  async #runCell(index: number, slot: Slot): Promise<void> {
    const { cells } = this.#record;
    const cell = cells[index];
    const { name, values } = cell;
    const start = performance.now();
    const out = join(this.#out, cell.folder);
    const earlier = await manifestIn(out);
    if (this.#stopped) return; // since the file was read
    cell.status = 'running';
    this.#report({ event: 'cell', cell: name, index, count: cells.length, values, out });
    const { exitCode, signal, lastLines } = await this.#startCell(cell, out, slot);
    cell.exitCode = exitCode ?? undefined;
    cell.seconds = secondsSince(start);
    cell.status = this.#statusOf(exitCode, signal);
    if (cell.status === 'failed') {
      const end = signal ? `it was ended by ${signal}` : `it ended with exit code ${exitCode}`;
      cell.error ??= lastLines ? `${end}; its last lines:\n${lastLines}` : `${end} and printed nothing`;
    }
    const manifest = await manifestIn(out);
    // A process that ended early leaves the file of an earlier run.
    const isOwn = cell.status === 'done' || !isDeepStrictEqual(manifest, earlier);
    if (isOwn && manifest?.status === cell.status) {
      cell.stages = manifest.stages.map(({ id, key, resolvedBy }) => ({ id, key, resolvedBy }));
      cell.scores = manifest.scores ?? [];
    }
    const { status, seconds, error } = cell;
    this.#report({ event: 'cell-end', cell: name, status, seconds, exitCode: cell.exitCode, error });
    await this.#save();
    if (status === 'failed' && this.#options.failFast) this.#stop('failed');
  }

  #statusOf(exitCode: number | null, signal: NodeJS.Signals | null): CellRecord['status'] {
    if (exitCode === EXIT.ok) return 'done';
    // A cell that another program kills (for memory, say) has failed.
    const obeyed = exitCode === null ? signal !== 'SIGKILL' : isStop(exitCode);
    return this.#stopped && obeyed ? 'stopped' : 'failed';
  }

  /**
   * Runs the process of a cell to its end. Ctrl-C on the terminal reaches it once, through `#stop`: a second signal would
   * end it before it has saved. It ends soon after this process, as nothing reads its output then.
   */
  async #startCell(cell: CellRecord, out: string, slot: Slot) {
    const { matrix, program = SPLATLINE, set = [], from, until } = this.#options;
    const below = relative(this.#cwd, matrix.file);
    const flag = (name: string, value?: string) => (value === undefined ? [] : [name, value]);
    const command = [
      ...program,
      ...['run', below.startsWith('..') ? matrix.file : below, '--cell', cell.name],
      ...set.flatMap((argument) => flag('--set', argument)),
      ...['--out', out, '--store', this.#store],
      ...flag('--adapter', slot.adapter),
      ...flag('--from', from),
      ...flag('--until', until),
      '--json',
    ];
    const child = startDetached(command, { cwd: this.#cwd, env: { ...process.env, ...slot.env } });
    this.#running.add(child);
    let lastLines = '';
    const keep = (text: string) => {
      lastLines = (lastLines + text).slice(-LAST_LETTERS);
    };
    createInterface({ input: child.stdout }).on('line', (line) => {
      const event = parseEvent(line);
      if (event) this.#onCellEvent(event, cell, slot);
      else keep(`${line}\n`);
    });
    child.stderr.on('data', (chunk: Buffer) => keep(chunk.toString()));
    try {
      const [exitCode, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
      return { exitCode, signal, lastLines: lastLines.trim() };
    } finally {
      this.#running.delete(child);
    }
  }

  #onCellEvent(event: CellRunEvent, cell: CellRecord, slot: Slot): void {
    this.#report({ ...event, cell: cell.name });
    if (event.event === 'error') cell.error = event.message;
    if (event.event !== 'run') return;
    cell.adapter = event.adapter.description || event.adapter.device;
    if (this.#reports.has(slot)) return;
    this.#reports.set(slot, event.adapter);
    const equal = equalCards(slot, this.#reports);
    if (equal?.selectable) this.#report({ event: 'matrix-warn', text: equal.text });
    else if (equal) this.#fail(new InputError(equal.text, '--adapter'));
  }

  #fail(error: unknown): void {
    this.#error ??= error;
    this.#stop('failed');
  }

  #stop(why: 'failed' | NodeJS.Signals): void {
    if (this.#stopped) return;
    this.#stopped = why;
    const text = this.#error ? 'an error' : why === 'failed' ? 'a cell failed' : why;
    if (this.#running.size || why !== 'failed') this.#report({ event: 'stopping', why: text });
    this.#kill(why === 'failed' ? 'SIGTERM' : why);
  }

  #kill(signal: NodeJS.Signals): void {
    for (const child of this.#running) child.kill(signal);
  }

  async #finish(): Promise<void> {
    const record = this.#record;
    record.exitCode = this.#error ? exitCodeOf(this.#error) : exitCodeOfCells(record.cells, this.#stopped);
    record.status = record.exitCode === EXIT.ok ? 'done' : isStop(record.exitCode) ? 'stopped' : 'failed';
    await this.#save();
    this.#report({ event: 'matrix-result', out: this.#out, record });
  }

  /** Writes `matrix.json` whole or not at all, one write after the other. */
  #save(): Promise<void> {
    const write = () =>
      replaceDurably(join(this.#out, MATRIX_FILE), `${JSON.stringify(this.#record, null, 2)}\n`);
    this.#record.seconds = secondsSince(this.#start);
    this.#saving = this.#saving.then(write);
    return this.#saving;
  }

  #report(event: MatrixEvent): void {
    this.#options.onEvent?.(event);
  }
}

function parseEvent(line: string): CellRunEvent | undefined {
  try {
    const value: unknown = JSON.parse(line);
    const isEvent = typeof value === 'object' && value !== null && 'event' in value;
    return isEvent && typeof value.event === 'string' ? (value as CellRunEvent) : undefined;
  } catch {
    return undefined;
  }
}

/** A run's `run.json`; undefined without one, or where the file is not one. */
async function manifestIn(folder: string): Promise<Manifest | undefined> {
  return readManifest(folder).then(
    ({ manifest }) => manifest,
    () => undefined,
  );
}

/** Whether this is the exit code of a command that was asked to stop. */
function isStop(exitCode: number): boolean {
  return exitCode === EXIT.interrupted || exitCode === EXIT.terminated;
}

function exitCodeOfCells(cells: readonly CellRecord[], stopped?: 'failed' | NodeJS.Signals): number {
  if (cells.every(({ status }) => status === 'done')) return EXIT.ok;
  if (stopped && stopped !== 'failed') return stopped === 'SIGINT' ? EXIT.interrupted : EXIT.terminated;
  const codes = new Set(cells.filter(({ status }) => status === 'failed').map(({ exitCode }) => exitCode));
  const [code] = codes;
  return codes.size === 1 && (code === EXIT.input || code === EXIT.gpu) ? code : EXIT.fault;
}

function secondsSince(start: number): number {
  return Math.round(performance.now() - start) / 1000;
}
