import { open, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { LiveReport, LiveStage } from '../report/data.ts';
import { curveOf, metricsOf } from '../report/run-report.ts';
import { EVENTS_FILE, isRunning, type LiveLine } from '../run/live-log.ts';
import { LIVE } from '../run/run-folder.ts';

/** The address of the newest picture, relative to the page. Files of runs with such names are refused. */
export const PREVIEW = '.preview';
/** Notes on the page. */
const MAX_NOTES = 12;
const PIECE_BYTES = 1 << 16;

/** The state of a running run. Reads the events that the run appends to a file. */
export class LiveRun {
  readonly #folder: string;
  readonly #file: string;
  /** Bytes read so far; the last of them may be the start of a line that is not complete yet. */
  #offset = 0;
  #rest = Buffer.alloc(0);
  /** The inode of the file: that of a later run has another one. */
  #inode?: number;
  /** The lines of each stage's metrics. */
  readonly #metrics = new Map<string, readonly string[]>();
  readonly report: LiveReport;
  /** The run has ended, or another one has begun. */
  hasEnded = false;

  constructor(folder: string) {
    this.#folder = folder;
    this.#file = join(folder, LIVE, EVENTS_FILE);
    const made = new Date().toISOString();
    this.report = {
      ...{ kind: 'live', name: basename(folder), made, status: 'running', adapter: '', seed: 0 },
      ...{ stages: [], curves: [], notes: [] },
    };
  }

  /** Reads what is new. Returns whether anything is. */
  async update(): Promise<boolean> {
    try {
      const found = await stat(this.#file);
      this.#inode ??= found.ino;
      const isSame = found.ino === this.#inode && found.size >= this.#offset;
      this.hasEnded = !isSame || !isRunning(this.#folder);
      if (this.hasEnded || found.size === this.#offset) return false;
      const lines = await this.#readLines();
      for (const line of lines) await this.#take(JSON.parse(line) as LiveLine);
      return lines.length > 0;
    } catch {
      this.hasEnded = true; // the end of the run removes the file
      return false;
    }
  }

  async #readLines(): Promise<string[]> {
    const pieces = [this.#rest];
    const handle = await open(this.#file);
    try {
      for (;;) {
        const piece = Buffer.alloc(PIECE_BYTES);
        const { bytesRead } = await handle.read(piece, 0, PIECE_BYTES, this.#offset);
        if (!bytesRead) break;
        this.#offset += bytesRead;
        pieces.push(piece.subarray(0, bytesRead));
      }
    } finally {
      await handle.close();
    }
    const bytes = Buffer.concat(pieces);
    const end = bytes.lastIndexOf('\n') + 1;
    this.#rest = bytes.subarray(end);
    return bytes.toString('utf8', 0, end).split('\n').slice(0, -1);
  }

  async #take(line: LiveLine): Promise<void> {
    const { report } = this;
    switch (line.event) {
      case 'run': {
        const { name, seed, stages, adapter } = line;
        Object.assign(report, { name, seed, adapter: adapter.description || adapter.device });
        report.stages = stages.map((id) => ({ id, state: 'waiting' }));
        return;
      }
      case 'stage':
        this.#setMetrics(line.stage, []);
        return this.#change(line.stage, { state: 'running', began: line.at, progress: undefined });
      case 'progress': {
        const { step, steps, metrics, perSecond, secondsLeft, compiling } = line;
        const progress = { step, steps, metrics, perSecond, secondsLeft, compiling };
        return this.#change(line.stage, { progress });
      }
      case 'metrics':
        return this.#setMetrics(line.stage, [...(this.#metrics.get(line.stage) ?? []), ...line.lines]);
      case 'preview':
        report.preview = `${PREVIEW}?${line.at}`;
        return;
      case 'cached':
        this.#change(line.stage, { state: 'cached', seconds: line.seconds });
        return this.#setMetrics(line.stage, await metricsOf(this.#folder, line.stage));
      case 'done':
        return this.#change(line.stage, { state: 'ran', seconds: line.seconds });
      case 'wait':
      case 'note':
      case 'warn': {
        const note = { stage: line.stage, text: line.text, isWarning: line.event === 'warn' };
        report.notes = [...report.notes, note].slice(-MAX_NOTES);
      }
    }
  }

  #change(id: string, changes: Partial<LiveStage>): void {
    const stage = this.report.stages.find((one) => one.id === id);
    if (stage) Object.assign(stage, changes);
  }

  #setMetrics(id: string, lines: readonly string[]): void {
    this.#metrics.set(id, lines);
    const ids = this.report.stages.map((stage) => stage.id);
    this.report.curves = ids.flatMap((one) => {
      const known = this.#metrics.get(one) ?? [];
      return known.length ? [curveOf(one, known)] : [];
    });
  }
}
