import { type FileHandle, open } from 'node:fs/promises';
import { basename, join } from 'node:path';
import * as z from 'zod';
import { checkJson, parseJson } from '../../stages/artefacts/json.ts';
import type { CurveData, LiveReport, LiveStage, LiveUpdate } from '../report/data.ts';
import { curveOf, metricsOf } from '../report/run-report.ts';
import { EVENTS_FILE, isRunning } from '../run/live-log.ts';
import { stageId } from '../run/manifest.ts';
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

const EVENTS = `${LIVE}/${EVENTS_FILE}`;

const stage = z.string();
/** JSON has null in place of numbers that are not finite. They are left out. */
const numbers = z
  .record(z.string(), z.number().nullable())
  .transform((values) => Object.entries(values).filter(([, value]) => value !== null))
  .transform((rows) => Object.fromEntries(rows) as Record<string, number>);
/** What a page shows of `LiveLine`. */
const lineSchema = z.discriminatedUnion('event', [
  z.object({
    event: z.literal('run'),
    name: z.string(),
    seed: z.number(),
    stages: z.array(stageId),
    adapter: z.object({ description: z.string(), device: z.string() }),
  }),
  z.object({ event: z.literal('stage'), stage, at: z.number() }),
  z.object({
    ...{ event: z.literal('progress'), stage, step: z.number(), steps: z.number(), metrics: numbers },
    ...{ perSecond: z.number(), secondsLeft: z.number(), compiling: z.boolean().optional() },
  }),
  z.object({ event: z.literal('metrics'), stage, lines: z.array(z.string()) }),
  z.object({ event: z.literal('preview'), at: z.number() }),
  z.object({ event: z.enum(['cached', 'done']), stage, seconds: z.number() }),
  z.object({ event: z.enum(['wait', 'note', 'warn']), stage, text: z.string() }),
  z.object({ event: z.enum(['replaces', 'fetch', 'result', 'report']) }),
]);

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
    const number = ++this.#lineCount;
    try {
      await this.#take(checkJson(`${EVENTS}:${number}`, lineSchema, parseJson(text, EVENTS, number)));
    } catch (error) {
      this.#note('', `${messageOf(error)}; the line is left out`, true);
    }
  }

  async #take(line: z.output<typeof lineSchema>): Promise<void> {
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
        this.#change(line.stage, { state: 'running', began: line.at, progress: undefined });
        return;
      case 'progress': {
        const { step, steps, metrics, perSecond, secondsLeft, compiling } = line;
        const progress = { step, steps, metrics, perSecond, secondsLeft, compiling };
        this.#change(line.stage, { progress });
        return;
      }
      case 'metrics':
        return this.#setMetrics(line.stage, [...(this.#metrics.get(line.stage) ?? []), ...line.lines]);
      case 'preview':
        report.preview = `${PREVIEW}?${line.at}`;
        return;
      case 'cached':
        if (!this.#change(line.stage, { state: 'cached', seconds: line.seconds })) return;
        return this.#setMetrics(line.stage, await this.#savedMetrics(line.stage));
      case 'done':
        this.#change(line.stage, { state: 'ran', seconds: line.seconds });
        return;
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

  /** False for a stage that the run does not have. */
  #change(id: string, changes: Partial<LiveStage>): boolean {
    const stage = this.report.stages.find((one) => one.id === id);
    if (stage) Object.assign(stage, changes);
    return stage !== undefined;
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
