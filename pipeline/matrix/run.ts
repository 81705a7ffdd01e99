import { once } from 'node:events';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { ProcessPromise } from 'zx/core';
import { type AdapterReport, InputError } from '../../wgsl/core/index.ts';
import { EXIT, exitCodeOf } from '../exit.ts';
import type { MatrixPlan } from '../file/read.ts';
import { $ } from '../process.ts';
import type { Manifest } from '../run/manifest.ts';
import { MANIFEST } from '../run/run-folder.ts';
import { codeOf, explainDiskError, replaceDurably } from '../store/disk.ts';
import {
  type CellRecord,
  type CellRunEvent,
  MATRIX_FILE,
  type MatrixEvent,
  type MatrixRecord,
} from './record.ts';
import { canSelect, equalAdapters, type Slot } from './slots.ts';

export interface MatrixOptions {
  matrix: MatrixPlan;
  /** `STAGE.OPTION=VALUE`, as given to `readMatrix`; every cell gets the same. */
  set?: readonly string[];
  /** The folder of `matrix.json`; each cell has a folder below it. */
  out: string;
  /** The store that all cells share. */
  store: string;
  /** Cells at a time. Default: one for each slot, or 1. */
  jobs?: number;
  /** Where the cells of each job run; fewer slots than jobs are taken in turn. Default: the driver's first adapter. */
  slots?: readonly Slot[];
  /** After a failed cell no other starts, and the running ones save and end. */
  failFast?: boolean;
  /** More flags of `run` for every cell, such as `--until train`. */
  flags?: readonly string[];
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

/**
 * Runs the cells of a matrix, each in a process of its own, and writes `matrix.json`. Cells share what they have in common
 * through the store: one computes it, the others wait. A failed cell does not stop the others.
 *
 * If this process exits first, it kills the running cells. `exitCode` of the record: 0 when all cells are done; 2 or 3 where
 * every failed cell ended with that (a mistake in the input, the adapter); 1 for other failures; 130 or 143 when stopped.
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
  readonly #record: MatrixRecord;
  readonly #start = performance.now();
  readonly #running = new Set<ProcessPromise>();
  /** The adapter that each slot's first cell reported. */
  readonly #reports = new Map<Slot, AdapterReport>();
  #next = 0;
  /** Set when no other cell is to start. */
  #stopped?: 'failed' | NodeJS.Signals;
  /** An error of the matrix itself, rather than of a cell. */
  #error?: unknown;
  #saving: Promise<void> = Promise.resolve();

  constructor(options: MatrixOptions) {
    const { matrix, set = [], cwd = process.cwd(), slots = [] } = options;
    this.#options = options;
    this.#cwd = cwd;
    this.#out = resolve(cwd, options.out);
    this.#record = {
      format: 1,
      status: 'running',
      name: matrix.name,
      file: matrix.file,
      set,
      axes: matrix.axes,
      jobs: Math.min(matrix.cells.length, options.jobs ?? Math.max(1, slots.length)),
      seconds: 0,
      cells: matrix.cells.map(({ name, values }) => {
        return { name, values, folder: name, status: 'waiting', stages: [], scores: [] };
      }),
    };
  }

  async run(): Promise<MatrixRecord> {
    const { signal } = this.#options;
    const { name, axes, cells, jobs } = this.#record;
    await makeFolder(this.#out);
    const onAbort = () => this.#stop(exitCodeOf(signal!.reason) === EXIT.interrupted ? 'SIGINT' : 'SIGTERM');
    const onExit = () => {
      for (const child of this.#running) child.child?.kill('SIGKILL');
    };
    signal?.addEventListener('abort', onAbort);
    process.once('exit', onExit);
    try {
      this.#report({
        event: 'matrix',
        name,
        out: this.#out,
        axes,
        cells: cells.map((cell) => cell.name),
        jobs,
      });
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
    const { slots = [] } = this.#options;
    const slot = slots.length ? slots[job % slots.length] : { env: {} };
    try {
      while (!this.#stopped && this.#next < this.#record.cells.length)
        await this.#runCell(this.#next++, slot);
    } catch (error) {
      this.#fail(explainDiskError(error, this.#out));
    }
  }

  async #runCell(index: number, slot: Slot): Promise<void> {
    const cell = this.#record.cells[index];
    const { name, values } = cell;
    const start = performance.now();
    const out = join(this.#out, cell.folder);
    const before = await readManifest(out);
    if (this.#stopped) return; // since the file was read
    cell.status = 'running';
    this.#report({ event: 'cell', cell: name, index, count: this.#record.cells.length, values, out });
    const { exitCode, signal, lastLines } = await this.#startCell(cell, out, slot);
    cell.exitCode = exitCode ?? undefined;
    cell.seconds = secondsSince(start);
    const stopped = exitCode === EXIT.interrupted || exitCode === EXIT.terminated || exitCode === null;
    if (exitCode === EXIT.ok) cell.status = 'done';
    // A cell that another program kills (for memory, say) has failed.
    else cell.status = this.#stopped && stopped && signal !== 'SIGKILL' ? 'stopped' : 'failed';
    if (cell.status === 'failed') {
      const end = signal ? `it was ended by ${signal}` : `it ended with exit code ${exitCode}`;
      cell.error ??= lastLines ? `${end}; its last lines:\n${lastLines}` : `${end} and printed nothing`;
    }
    const after = await readManifest(out);
    // A process that ended early leaves the file of an earlier run.
    if (after && (cell.status === 'done' || after !== before)) Object.assign(cell, resultsOf(after, cell));
    const { status, seconds, error } = cell;
    this.#report({ event: 'cell-end', cell: name, status, seconds, exitCode: cell.exitCode, error });
    await this.#save();
    if (status === 'failed' && this.#options.failFast) this.#stop('failed');
  }

  /**
   * Runs the process of a cell to its end. The process leads a session of its own, so that Ctrl-C on the terminal reaches it
   * once, through `#stop`: a second signal would end it before it has saved. It ends soon after this process, as nothing
   * reads its output then.
   */
  async #startCell(cell: CellRecord, out: string, slot: Slot) {
    const { program = SPLATLINE, set = [], store, flags = [], matrix } = this.#options;
    const below = relative(this.#cwd, matrix.file);
    const command = [
      ...program,
      'run',
      below.startsWith('..') ? matrix.file : below,
      ...['--cell', cell.name],
      ...set.flatMap((argument) => ['--set', argument]),
      ...['--out', out, '--store', resolve(this.#cwd, store)],
      ...(slot.adapter === undefined ? [] : ['--adapter', slot.adapter]),
      ...flags,
      '--json',
    ];
    const child = $({
      cwd: this.#cwd,
      env: { ...process.env, ...slot.env },
      nothrow: true,
      detached: process.platform !== 'win32',
      prefix: process.platform === 'win32' ? '' : 'exec ', // signals reach the program instead of zx's shell
    })`${command}`;
    this.#running.add(child);
    let lastLines = '';
    const keep = (text: string) => {
      lastLines = (lastLines + text).slice(-LAST_LETTERS);
    };
    const lines = createInterface({ input: child.stdout });
    const read = once(lines, 'close');
    lines.on('line', (line) => {
      const event = parseEvent(line);
      if (!event) return keep(`${line}\n`);
      this.#report({ ...event, cell: cell.name });
      if (event.event === 'error') cell.error = event.message;
      if (event.event === 'run') {
        cell.adapter = event.adapter.description || event.adapter.device;
        this.#checkAdapters(slot, event.adapter);
      }
    });
    child.stderr.on('data', (chunk: Buffer) => keep(chunk.toString()));
    try {
      const { exitCode, signal } = await child;
      await read;
      return { exitCode, signal, lastLines: lastLines.trim() };
    } finally {
      this.#running.delete(child);
    }
  }

  /** Stops where slots are meant for different cards, report equal ones, and nothing can have chosen between them. */
  #checkAdapters(slot: Slot, report: AdapterReport): void {
    if (this.#reports.has(slot)) return;
    this.#reports.set(slot, report);
    const equal = equalAdapters(this.#reports);
    if (!equal) return;
    const variables = equal.map(({ env }) =>
      Object.entries(env).map(([key, value]) => `env:${key}=${value}`),
    );
    const text = `the jobs with ${variables.sort().join(' and ')} report the same adapter, ${report.description || report.device}`;
    if (canSelect(equal)) {
      const doubt = 'two equal cards look like this, and one card used twice: check with nvidia-smi';
      this.#report({ event: 'matrix-warn', text: `${text}: ${doubt}` });
    } else {
      const fix =
        "install Mesa's device-select layer (Debian, Ubuntu: mesa-vulkan-drivers) and give each job env:DRI_PRIME=pci-… with the bus address of its card, or leave --adapter out";
      this.#fail(
        new InputError(`${text}: the variables select no card, so both run on one; ${fix}`, '--adapter'),
      );
    }
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
    for (const child of this.#running) child.child?.kill(why === 'failed' ? 'SIGTERM' : why);
  }

  async #finish(): Promise<void> {
    const record = this.#record;
    for (const cell of record.cells) if (cell.status === 'waiting') cell.status = 'not started';
    record.exitCode = this.#error ? exitCodeOf(this.#error) : exitCodeOfCells(record.cells, this.#stopped);
    const stopped = record.exitCode === EXIT.interrupted || record.exitCode === EXIT.terminated;
    record.status = record.exitCode === EXIT.ok ? 'done' : stopped ? 'stopped' : 'failed';
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

/** How much is kept of what a process prints beside its events. */
const LAST_LETTERS = 4000;

function parseEvent(line: string): CellRunEvent | undefined {
  try {
    const value: unknown = JSON.parse(line);
    const isEvent = typeof value === 'object' && value !== null && 'event' in value;
    return isEvent && typeof value.event === 'string' ? (value as CellRunEvent) : undefined;
  } catch {
    return undefined;
  }
}

function readManifest(folder: string): Promise<string | undefined> {
  return readFile(join(folder, MANIFEST), 'utf8').catch(() => undefined);
}

/** What `run.json` says of a cell; nothing where it is of a run that ended otherwise, or of another program. */
function resultsOf(text: string, cell: CellRecord): Partial<CellRecord> {
  try {
    const { status, stages, scores = [] } = JSON.parse(text) as Manifest;
    if (status !== cell.status) return {};
    return { stages: stages.map(({ id, key, resolvedBy }) => ({ id, key, resolvedBy })), scores };
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return {};
    throw error;
  }
}

/** Throws InputError where the folder cannot be made, or holds what is neither a matrix's nor a run's. */
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

function secondsSince(start: number): number {
  return Math.round(performance.now() - start) / 1000;
}
