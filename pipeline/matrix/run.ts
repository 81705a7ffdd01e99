import { mkdir, readdir } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { InputError } from '../../wgsl/core/index.ts';
import { EXIT, exitCodeOf } from '../exit.ts';
import { formatCell } from '../file/cells.ts';
import type { MatrixPlan } from '../file/read.ts';
import { MANIFEST } from '../run/folder.ts';
import { codeOf, explainDiskError } from '../store/disk-errors.ts';
import { type CellEnd, type CellProcess, SPLATLINE, startCell } from './cell-process.ts';
import type { MatrixEvent } from './events.ts';
import {
  type CellRecord,
  type CellStatus,
  MATRIX_FILE,
  type MatrixRecord,
  readCellManifest,
  saveMatrixRecord,
} from './record.ts';
import type { Slot } from './slots.ts';

export interface MatrixOptions {
  matrix: MatrixPlan;
  /** `STAGE.OPTION=VALUE`, as `readMatrix` was given them: every cell is told the same. */
  set?: readonly string[];
  /** The folder of `matrix.json`; each cell has a folder below it. */
  out: string;
  /** The store that all cells share. */
  store: string;
  /** Cells at a time. Default: one for each slot, or 1. */
  jobs?: number;
  /** Where the cells of each job run; fewer slots than jobs are taken in turn. Default: wherever the driver chooses. */
  slots?: readonly Slot[];
  /** After a cell that failed no other starts, and the running ones are asked to save and end. */
  failFast?: boolean;
  /** More of `run`'s own flags for every cell, such as `--until train`. */
  flags?: readonly string[];
  onEvent?(event: MatrixEvent): void;
  /** Asks the running cells to save and end; they get the signal that its reason, a `Stopped`, stands for. */
  signal?: AbortSignal;
  /** Where relative paths in `set` start. Default: the working directory. */
  cwd?: string;
  /** The program that runs a cell, called as `splatline` is. Default: this package's own. */
  program?: readonly string[];
}

/**
 * Runs the cells of a matrix, each in a process of its own, and writes `matrix.json`. Cells share what they have in common
 * through the store: one computes, the others wait for it. A cell that fails does not stop the others.
 *
 * When this process exits before its time, the cells that run are killed. `exitCode` of the record: 0 when all cells are
 * done; 2 or 3 where every failed cell ended with that (the input's fault, the adapter's); 1 for other failures; 130 or
 * 143 when stopped.
 */
export async function runMatrix(options: MatrixOptions): Promise<MatrixRecord> {
  return new MatrixRun(options).run();
}

class MatrixRun {
  readonly #options: MatrixOptions;
  readonly #cwd: string;
  readonly #out: string;
  readonly #jobs: number;
  readonly #record: MatrixRecord;
  readonly #start = performance.now();
  readonly #running = new Set<CellProcess>();
  #next = 0;
  /** Why no other cell starts. */
  #stopped?: 'failed' | NodeJS.Signals;
  #saving: Promise<void> = Promise.resolve();

  constructor(options: MatrixOptions) {
    const { matrix, set = [], cwd = process.cwd(), slots = [] } = options;
    this.#options = options;
    this.#cwd = cwd;
    this.#out = resolve(cwd, options.out);
    this.#jobs = Math.min(matrix.cells.length, options.jobs ?? Math.max(1, slots.length));
    this.#record = {
      format: 1,
      status: 'running',
      name: matrix.name,
      file: matrix.file,
      set,
      axes: matrix.axes,
      jobs: this.#jobs,
      seconds: 0,
      cells: matrix.cells.map(({ name, values }) => ({
        name,
        values,
        folder: name,
        status: 'waiting',
        stages: [],
        scores: [],
      })),
    };
  }

  async run(): Promise<MatrixRecord> {
    const { signal } = this.#options;
    const { name, axes, cells } = this.#record;
    await makeFolder(this.#out);
    const onAbort = () => this.#stop(signalOf(signal!.reason));
    const onExit = () => {
      for (const cell of this.#running) cell.kill('SIGKILL');
    };
    signal?.addEventListener('abort', onAbort);
    process.once('exit', onExit);
    try {
      this.#tell({
        event: 'matrix',
        name,
        out: this.#out,
        axes,
        cells: cells.map((cell) => cell.name),
        jobs: this.#jobs,
      });
      if (signal?.aborted) onAbort();
      await this.#save();
      const jobs = Array.from({ length: this.#jobs }, (_, job) => this.#work(job));
      const [fault] = (await Promise.allSettled(jobs)).filter(({ status }) => status === 'rejected');
      if (fault) throw (fault as PromiseRejectedResult).reason;
    } finally {
      signal?.removeEventListener('abort', onAbort);
      process.off('exit', onExit);
    }
    return this.#finish();
  }

  /** One job: takes the next cell until there is none. */
  async #work(job: number): Promise<void> {
    const { slots = [] } = this.#options;
    const slot = slots.length ? slots[job % slots.length] : { env: {} };
    try {
      while (!this.#stopped && this.#next < this.#record.cells.length) {
        await this.#runCell(this.#next++, slot);
      }
    } catch (error) {
      this.#stop('failed'); // no process outlives a fault of ours
      throw explainDiskError(error, this.#out);
    }
  }

  async #runCell(index: number, slot: Slot): Promise<void> {
    const cell = this.#record.cells[index];
    const start = performance.now();
    const out = join(this.#out, cell.folder);
    const before = await readCellManifest(out);
    // Asked to stop while the file was read: this cell has not begun.
    if (this.#stopped) return;
    cell.status = 'running';
    this.#tell({
      event: 'cell',
      cell: cell.name,
      index,
      count: this.#record.cells.length,
      values: cell.values,
      out,
    });
    const child = startCell({
      command: this.#command(cell, out, slot),
      cwd: this.#cwd,
      env: slot.env,
      onEvent: (event) => {
        if (event.event === 'run') cell.adapter = event.adapter.description || event.adapter.device;
        if (event.event === 'error') cell.error = event.message;
        this.#tell({ ...event, cell: cell.name });
      },
    });
    this.#running.add(child);
    try {
      const end = await child.ended;
      cell.status = this.#statusOf(end);
      cell.exitCode = end.exitCode ?? undefined;
      if (cell.status === 'failed') cell.error ??= wordsOf(end);
    } finally {
      this.#running.delete(child);
    }
    cell.seconds = secondsSince(start);
    const after = await readCellManifest(out);
    // A process that ended early has left the earlier run's.
    if (after && after.status === cell.status && (cell.status === 'done' || after.text !== before?.text)) {
      cell.stages = after.stages;
      cell.scores = after.scores;
    }
    const { status, seconds, exitCode, error } = cell;
    this.#tell({ event: 'cell-end', cell: cell.name, status, seconds, exitCode, error });
    await this.#save();
    if (status === 'failed' && this.#options.failFast) this.#stop('failed');
  }

  #command(cell: CellRecord, out: string, slot: Slot): string[] {
    const { program = SPLATLINE, set = [], store, flags = [], matrix } = this.#options;
    const below = relative(this.#cwd, matrix.file);
    return [
      ...program,
      'run',
      below.startsWith('..') ? matrix.file : below,
      ...['--cell', formatCell(cell.values)],
      ...set.flatMap((argument) => ['--set', argument]),
      ...['--out', out, '--store', resolve(this.#cwd, store)],
      ...(slot.adapter === undefined ? [] : ['--adapter', slot.adapter]),
      ...flags,
      '--json',
    ];
  }

  #statusOf({ exitCode, signal }: CellEnd): CellStatus {
    if (exitCode === EXIT.ok) return 'done';
    const stopped = exitCode === EXIT.interrupted || exitCode === EXIT.terminated || exitCode === null;
    // One that dies of a signal of somebody else's (out of memory, say) has failed.
    return this.#stopped && stopped && signal !== 'SIGKILL' ? 'stopped' : 'failed';
  }

  #stop(why: 'failed' | NodeJS.Signals): void {
    if (this.#stopped) return;
    this.#stopped = why;
    const text = why === 'failed' ? 'a cell failed' : why;
    if (this.#running.size || why !== 'failed') this.#tell({ event: 'stopping', why: text });
    for (const cell of this.#running) cell.kill(why === 'failed' ? 'SIGTERM' : why);
  }

  async #finish(): Promise<MatrixRecord> {
    const record = this.#record;
    for (const cell of record.cells) if (cell.status === 'waiting') cell.status = 'not started';
    record.exitCode = exitCodeOfCells(record.cells, this.#stopped);
    const stopped = record.exitCode === EXIT.interrupted || record.exitCode === EXIT.terminated;
    record.status = record.exitCode === EXIT.ok ? 'done' : stopped ? 'stopped' : 'failed';
    await this.#save();
    this.#tell({ event: 'matrix-result', out: this.#out, record });
    return record;
  }

  /** One write after the other. */
  #save(): Promise<void> {
    this.#record.seconds = secondsSince(this.#start);
    this.#saving = this.#saving.then(() => saveMatrixRecord(this.#out, this.#record));
    return this.#saving;
  }

  #tell(event: MatrixEvent): void {
    this.#options.onEvent?.(event);
  }
}

/** Throws InputError where the folder cannot be, or holds what is neither a matrix's nor a run's. */
async function makeFolder(out: string): Promise<void> {
  try {
    await mkdir(out, { recursive: true });
    const names = (await readdir(out)).filter((name) => !name.startsWith('.'));
    if (!names.length || names.includes(MATRIX_FILE) || names.includes(MANIFEST)) return;
    const some = names.slice(0, 3).join(', ');
    throw new InputError(
      `this folder holds other files (${some}); expected a new or empty one, or an earlier matrix's`,
      out,
    );
  } catch (error) {
    if (codeOf(error) === 'EEXIST' || codeOf(error) === 'ENOTDIR')
      throw new InputError('this is a file, or lies below one; expected a folder for the results', out);
    throw explainDiskError(error, out);
  }
}

function exitCodeOfCells(cells: readonly CellRecord[], stopped?: 'failed' | NodeJS.Signals): number {
  if (cells.every(({ status }) => status === 'done')) return EXIT.ok;
  if (stopped && stopped !== 'failed') return stopped === 'SIGINT' ? EXIT.interrupted : EXIT.terminated;
  const codes = new Set(cells.filter(({ status }) => status === 'failed').map(({ exitCode }) => exitCode));
  const [code] = codes;
  return codes.size === 1 && (code === EXIT.input || code === EXIT.gpu) ? code : EXIT.fault;
}

function signalOf(reason: unknown): NodeJS.Signals {
  return exitCodeOf(reason) === EXIT.interrupted ? 'SIGINT' : 'SIGTERM';
}

function wordsOf({ exitCode, signal, words }: CellEnd): string {
  const end = signal ? `it was ended by ${signal}` : `it ended with exit code ${exitCode}`;
  return words ? `${end}; its last words:\n${words}` : `${end} and said nothing`;
}

function secondsSince(start: number): number {
  return Math.round(performance.now() - start) / 1000;
}
