import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { writeContactSheet } from '../../stages/artefacts/contact-sheet.ts';
import { Stopped } from '../../stages/checkpoints.ts';
import { type AdapterReport, InputError } from '../../wgsl/core/index.ts';
import { EXIT, exitCodeOf } from '../exit.ts';
import type { MatrixPlan } from '../file/read.ts';
import { readManifest } from '../run/manifest.ts';
import { checkFolder, LOCK, MANIFEST, STAGES } from '../run/run-folder.ts';
import { foldersOf, type Range } from '../run/stage-plan.ts';
import { explainDiskError, quiet, replaceDurably } from '../store/disk.ts';
import { type Lock, lock } from '../store/lock.ts';
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
  /** Pictures of each running cell's splat, for `splatline view`: the least seconds between two. */
  preview?: number;
  /** Where the cells of each job run; fewer slots than jobs are taken in turn. Default: the driver's first adapter. */
  slots?: readonly Slot[];
  /** The command that repeats the matrix, for matrix.json. */
  command?: string;
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
const MAX_OUTPUT_LENGTH = 4000;

/**
 * Runs the cells of a matrix, each in its own process, and writes `matrix.json`. Cells share results
 * through the store: one computes a shared stage, the others wait. A failed cell does not stop the others. One matrix at a time writes to
 * a folder: a second one waits.
 *
 * If this process exits first, the running cells end at their next event. `exitCode` of the record: 0 when all cells are done;
 * 2 or 3 if every failed cell ended with that code (invalid input, the adapter); 1 for other failures; 130 or 143 when stopped.
 *
 * @throws InputError where `out` cannot take results, or where slots are meant for different cards and run on one.
 */
export async function runMatrix(options: MatrixOptions): Promise<MatrixRecord> {
  return new MatrixRun(options).run();
}

class MatrixRun {
  readonly #options: MatrixOptions;
  readonly #out: string;
  readonly #slots: readonly Slot[];
  readonly #record: MatrixRecord;
  readonly #start = performance.now();
  readonly #running = new Set<ChildProcess>();
  /** The adapter that each slot's first cell reported. */
  readonly #reports = new Map<Slot, AdapterReport>();
  #next = 0;
  #saved = Promise.resolve();
  /** The reason for starting no more cells: a `Stopped`, or an error of the matrix itself. */
  #stopped?: Error;

  constructor(options: MatrixOptions) {
    const { matrix, set = [], slots = [], jobs = slots.length } = options;
    const { command = `npx splatline run ${matrix.file}`, cwd = process.cwd() } = options;
    this.#options = options;
    this.#out = foldersOf(matrix, options).out;
    this.#slots = slots.length ? slots : [{ env: {} }];
    this.#record = {
      format: 1,
      status: 'running',
      name: matrix.name,
      command,
      cwd,
      file: matrix.file,
      set,
      axes: matrix.axes,
      jobs: Math.min(matrix.cells.length, Math.max(1, jobs)),
      seconds: 0,
      cells: matrix.cells.map(({ name, values }) => {
        return { name, values, folder: name, status: 'not started', scores: [] };
      }),
    };
  }

  async run(): Promise<MatrixRecord> {
    const { signal } = this.#options;
    const { name, axes, cells, jobs } = this.#record;
    await checkFolder(this.#out, [MATRIX_FILE, MANIFEST]);
    const held = await this.#lock();
    const onAbort = () => this.#stop(signal!.reason);
    try {
      await this.#save(); // marks the folder as that of a matrix
      this.#report({
        event: 'matrix',
        name,
        out: this.#out,
        axes,
        cells: cells.map(({ name }) => name),
        jobs,
      });
      signal?.addEventListener('abort', onAbort);
      if (signal?.aborted) onAbort();
      const work = (job: number) => this.#work(job).catch((error) => this.#stop(error));
      await Promise.all(Array.from({ length: jobs }, (_, job) => work(job)));
      return await this.#finish();
    } finally {
      signal?.removeEventListener('abort', onAbort);
      held.release();
    }
  }

  /** Waits for a matrix or a run that has the folder open. The lock shows other processes that this matrix runs. */
  async #lock(): Promise<Lock> {
    const onWait = (holder: string) => {
      const text = `${holder} is writing to ${this.#out}; waiting until it ends`;
      this.#report({ event: 'matrix-warn', text });
    };
    try {
      await mkdir(this.#out, { recursive: true });
      return await lock(join(this.#out, LOCK), { signal: this.#options.signal, onWait });
    } catch (error) {
      throw explainDiskError(error, this.#out, '--out');
    }
  }

  /** One job: takes the next cell until none is left. */
  async #work(job: number): Promise<void> {
    const { cells } = this.#record;
    while (!this.#stopped && this.#next < cells.length) {
      await this.#runCell(this.#next++, this.#slots[job % this.#slots.length]);
    }
  }

  async #runCell(index: number, slot: Slot): Promise<void> {
    const { cells } = this.#record;
    const cell = cells[index];
    const { name, values } = cell;
    const start = performance.now();
    const out = join(this.#out, cell.folder);
    cell.status = 'running';
    await this.#save();
    if (this.#stopped) return void (cell.status = 'not started'); // meanwhile
    this.#report({ event: 'cell', cell: name, index, count: cells.length, values, out });
    const { exitCode, signal, lastLines } = await this.#startCell(cell, out, slot);
    cell.exitCode = exitCode ?? undefined;
    cell.seconds = secondsSince(start);
    // A cell that another program kills (for memory, say) has failed.
    const obeyed = exitCode === null ? signal !== 'SIGKILL' : isStop(exitCode);
    cell.status = exitCode === EXIT.ok ? 'done' : this.#stopped && obeyed ? 'stopped' : 'failed';
    if (cell.status === 'failed') {
      const end = signal ? `it was ended by ${signal}` : `it ended with exit code ${exitCode}`;
      cell.error ??= lastLines ? `${end}; its last lines:\n${lastLines}` : `${end} and printed nothing`;
    }
    if (cell.status === 'done') {
      const { scores = [], stages } = (await readManifest(out)).manifest;
      cell.scores = scores;
      const orbit = stages.findLast(({ parts }) => parts.frames);
      if (orbit) cell.frames = `${cell.folder}/${STAGES}/${orbit.id}/frames`;
    }
    await this.#save();
    const { status, seconds, error } = cell;
    this.#report({ event: 'cell-end', cell: name, status, seconds, exitCode: cell.exitCode, error });
  }

  /**
   * Runs the process of a cell to its end. It leads its own session, so that Ctrl-C on the terminal reaches it once, through
   * `#stop`: a second signal would end it before it has saved. It ends soon after this process, as nothing reads its output then.
   */
  async #startCell(cell: CellRecord, out: string, slot: Slot) {
    const {
      matrix,
      program = SPLATLINE,
      set = [],
      from,
      until,
      preview,
      cwd = process.cwd(),
    } = this.#options;
    const below = relative(cwd, matrix.file);
    const flag = (name: string, value?: string) => (value === undefined ? [] : [name, value]);
    const [node, ...args] = [
      ...program,
      ...['run', below.startsWith('..') ? matrix.file : below, '--cell', cell.name],
      ...set.flatMap((argument) => flag('--set', argument)),
      ...['--out', out, '--store', foldersOf(matrix, this.#options).store.root],
      ...flag('--adapter', slot.adapter),
      ...flag('--from', from),
      ...flag('--until', until),
      ...flag('--preview', preview?.toString()),
      '--json',
    ];
    const child = spawn(node, args, {
      cwd,
      env: { ...process.env, ...slot.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: process.platform !== 'win32', // Windows opens a window for one
    });
    this.#running.add(child);
    let lastLines = '';
    const keep = (text: string) => {
      lastLines = (lastLines + text).slice(-MAX_OUTPUT_LENGTH);
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
    else if (equal) this.#stop(new InputError(equal.text, '--adapter'));
  }

  /** The running cells save and end. */
  #stop(why: Error): void {
    if (this.#stopped) return;
    this.#stopped = why;
    const signal = exitCodeOf(why) === EXIT.interrupted ? 'SIGINT' : 'SIGTERM';
    const text = why instanceof Stopped ? signal : 'an error';
    if (this.#running.size) this.#report({ event: 'stopping', why: text });
    for (const child of this.#running) child.kill(signal);
  }

  async #finish(): Promise<MatrixRecord> {
    const [record, stopped] = [this.#record, this.#stopped];
    record.exitCode = stopped ? exitCodeOf(stopped) : exitCodeOfCells(record.cells);
    record.status = record.exitCode === EXIT.ok ? 'done' : isStop(record.exitCode) ? 'stopped' : 'failed';
    await this.#save();
    await writeContactSheet(this.#out, record.cells).catch(({ message }: Error) =>
      this.#report({ event: 'matrix-warn', text: `there is no contact sheet: ${message}` }),
    );
    this.#report({ event: 'matrix-result', out: this.#out, record });
    if (stopped && !(stopped instanceof Stopped)) throw stopped;
    return record;
  }

  /** Writes `matrix.json` whole or not at all, after earlier writes: two jobs may save at the same time. */
  #save(): Promise<void> {
    const write = async () => {
      this.#record.seconds = secondsSince(this.#start);
      await replaceDurably(join(this.#out, MATRIX_FILE), `${JSON.stringify(this.#record, null, 2)}\n`);
    };
    this.#saved = this.#saved.catch(() => {}).then(write);
    return this.#saved.catch((error: unknown) => {
      throw explainDiskError(error, this.#out, '--out');
    });
  }

  #report(event: MatrixEvent): void {
    this.#options.onEvent?.(event);
  }
}

function parseEvent(line: string): CellRunEvent | undefined {
  const value = quiet(() => JSON.parse(line) as Partial<CellRunEvent> | null);
  return typeof value?.event === 'string' ? (value as CellRunEvent) : undefined;
}

/** Whether this is the exit code of a command that was asked to stop. */
function isStop(exitCode: number): boolean {
  return exitCode === EXIT.interrupted || exitCode === EXIT.terminated;
}

function exitCodeOfCells(cells: readonly CellRecord[]): number {
  const [code = EXIT.ok, ...others] = new Set(
    cells.filter(({ status }) => status === 'failed').map(({ exitCode }) => exitCode),
  );
  const isPlain = code === EXIT.ok || code === EXIT.input || code === EXIT.gpu;
  return isPlain && !others.length ? code : EXIT.fault;
}

function secondsSince(start: number): number {
  return Math.round(performance.now() - start) / 1000;
}
