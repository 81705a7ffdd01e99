import { type FileHandle, open } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { CurveData, LiveReport, LiveStage, LiveUpdate } from '../report/data.ts';
import { curveOf, metricsOf } from '../report/run-report.ts';
import { EVENTS_FILE, isRunning, type LiveLine } from '../run/live-log.ts';
import { METRICS_FILE } from '../run/metrics-log.ts';
import { LIVE, STAGES } from '../run/run-folder.ts';
import { codeOf } from '../store/disk.ts';
import type { Followed } from './feed.ts';

/** The address of the newest picture, relative to the page. Files of runs with such names are refused. */
export const PREVIEW = '.preview';
/** Notes on the page. */
const MAX_NOTES = 12;
const PIECE_BYTES = 1 << 16;
const HEAD_BYTES = 64;

/** The state of a running run. Reads the events that the run appends to a file. */
export class LiveRun implements Followed {
  readonly #folder: string;
  readonly #file: string;
  /** Bytes read so far; the last of them may be the start of a line that is not complete yet. */
  #offset = 0;
  #rest: Buffer = Buffer.alloc(0);
  /** The first bytes of the file, with the time of its first event: a later run may get a file with the same inode. */
  #head: Buffer = Buffer.alloc(0);
  #lineCount = 0;
  /** The lines of each stage's metrics. */
  readonly #metrics = new Map<string, readonly string[]>();
  /** The stages whose lines are not in `curves` yet. */
  readonly #newMetrics = new Set<string>();
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

  /** Damage is part of the report: the page of a running run stays. */
  async update(): Promise<LiveUpdate | undefined> {
    const { report } = this;
    const { error, curves: before } = report;
    const lines = await this.#newLines();
    for (const line of lines) await this.#takeLine(line);
    for (const id of this.#newMetrics) this.#draw(id);
    this.#newMetrics.clear();
    if (!lines.length && report.error === error) return undefined;
    const { curves, ...others } = report;
    return { ...others, ...(curves !== before && { curves }) };
  }

  /** The complete lines since the last look. Notes the end of the run, or why the file cannot be read. */
  async #newLines(): Promise<string[]> {
    try {
      this.hasEnded = !isRunning(this.#folder);
      const lines = this.hasEnded ? [] : await this.#readLines();
      this.report.error = undefined;
      return lines;
    } catch (error) {
      if (codeOf(error) === 'ENOENT') {
        this.hasEnded = true; // the end of the run removes the file
      } else {
        this.report.error = `The run continues. Its events cannot be read: ${messageOf(error)}`;
      }
      return [];
    }
  }

  async #readLines(): Promise<string[]> {
    const pieces: Buffer[] = [this.#rest];
    const handle = await open(this.#file);
    try {
      const { size } = await handle.stat();
      if (size === this.#offset) return [];
      const head = await readAt(handle, 0, HEAD_BYTES);
      this.hasEnded = size < this.#offset || !head.subarray(0, this.#head.length).equals(this.#head);
      if (this.hasEnded) return [];
      this.#head = head;
      for (;;) {
        const piece = await readAt(handle, this.#offset, PIECE_BYTES);
        if (!piece.length) break;
        this.#offset += piece.length;
        pieces.push(piece);
      }
    } finally {
      await handle.close();
    }
    const bytes = Buffer.concat(pieces);
    const end = bytes.lastIndexOf('\n') + 1;
    this.#rest = bytes.subarray(end);
    return bytes.toString('utf8', 0, end).split('\n').slice(0, -1);
  }

  async #takeLine(text: string): Promise<void> {
    this.#lineCount++;
    try {
      await this.#take(JSON.parse(text) as LiveLine);
    } catch (error) {
      this.#note(
        '',
        `line ${this.#lineCount} of ${LIVE}/${EVENTS_FILE} is damaged: ${messageOf(error)}`,
        true,
      );
    }
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
        return this.#setMetrics(line.stage, await this.#savedMetrics(line.stage));
      case 'done':
        return this.#change(line.stage, { state: 'ran', seconds: line.seconds });
      case 'wait':
      case 'note':
      case 'warn':
        return this.#note(line.stage, line.text, line.event === 'warn');
    }
  }

  /** The lines of a cached stage; none where its file cannot be read. */
  async #savedMetrics(id: string): Promise<string[]> {
    return metricsOf(this.#folder, id).catch((error: unknown) => {
      this.#note(id, `its curves are not shown: ${messageOf(error)}`, true);
      return [];
    });
  }

  #note(stage: string, text: string, isWarning: boolean): void {
    this.report.notes = [...this.report.notes, { stage, text, isWarning }].slice(-MAX_NOTES);
  }

  #change(id: string, changes: Partial<LiveStage>): void {
    const stage = this.report.stages.find((one) => one.id === id);
    if (stage) Object.assign(stage, changes);
  }

  #setMetrics(id: string, lines: readonly string[]): void {
    this.#metrics.set(id, lines);
    this.#newMetrics.add(id);
  }

  /** Puts the curves of a stage into the report, in the order of the stages. Damaged lines give a note and no curve. */
  #draw(id: string): void {
    const { report } = this;
    const lines = this.#metrics.get(id)!;
    const others = report.curves.filter(({ stage }) => stage !== id);
    const drawn = lines.length ? this.#curveOf(id, lines) : undefined;
    if (!drawn) {
      if (others.length < report.curves.length) report.curves = others;
      return;
    }
    const placeOf = ({ stage }: CurveData) => report.stages.findIndex((one) => one.id === stage);
    report.curves = [...others, drawn].sort((a, b) => placeOf(a) - placeOf(b));
  }

  #curveOf(id: string, lines: readonly string[]): CurveData | undefined {
    try {
      return curveOf(id, lines, `${STAGES}/${id}/${METRICS_FILE}`);
    } catch (error) {
      this.#metrics.set(id, []);
      this.#note(id, `its curves are not shown: ${messageOf(error)}`, true);
      return undefined;
    }
  }
}

async function readAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
