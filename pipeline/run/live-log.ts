import { rmSync } from 'node:fs';
import { appendFile, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { drafts, quiet } from '../store/disk.ts';
import { holderOf } from '../store/lock.ts';
import type { RunEvent } from './events.ts';
import type { Manifest } from './manifest.ts';
import { LIVE, LOCK } from './run-folder.ts';

/** The events of a running run, a JSON object a line, in the folder `LIVE`. */
export const EVENTS_FILE = 'events.jsonl';

/** The newest picture of the splat, beside the events. */
export const PREVIEW_FILE = 'preview.webp';

/** An event of a run, new lines of a stage's `metrics.jsonl`, or a new picture. */
export type LiveEvent =
  | RunEvent
  | { event: 'metrics'; stage: string; lines: readonly string[] }
  | { event: 'preview' };
/** A line of the file: an event and when it happened, milliseconds since 1970. */
export type LiveLine = LiveEvent & { at: number };

/** Milliseconds between two lines of progress. A stage may report hundreds of steps a second. */
const PROGRESS_MS = 500;

/** Whether a run has the folder open, in this process or in another one. */
export function isRunning(folder: string): boolean {
  return quiet(() => holderOf(join(folder, LOCK))) !== undefined;
}

/** The status of a run. One whose run.json has `running`, and which no process has open, was killed: `stopped`. */
export function statusOf(folder: string, { status }: Pick<Manifest, 'status'>): Manifest['status'] {
  return status === 'running' && !isRunning(folder) ? 'stopped' : status;
}

/**
 * Writes the events of a running run into its folder, so that another process can show them. Nothing waits for a write. The end of the
 * run removes the file; that of a killed run stays until the next run in the folder. It is not a result.
 */
export class LiveLog {
  #folder?: string;
  #onFault: (text: string) => void = () => {};
  /** Lines that are not written yet; those before `open` wait for it. */
  #pending = '';
  #writing = Promise.resolve();
  #progressAt = Number.NEGATIVE_INFINITY;
  #hasEnded = false;

  add(event: LiveEvent): void {
    if (this.#hasEnded) return;
    const at = Date.now();
    if (event.event === 'progress' && !event.compiling && event.step < event.steps) {
      if (at - this.#progressAt < PROGRESS_MS) return;
      this.#progressAt = at;
    }
    this.#pending += `${JSON.stringify({ at, ...event } satisfies LiveLine)}\n`;
    this.#write();
  }

  /** Creates the file in a run's folder. Calls `onFault` once if it cannot be written; the run continues. */
  async open(root: string, onFault: (text: string) => void): Promise<void> {
    const folder = join(root, LIVE);
    this.#onFault = onFault;
    drafts.add(folder);
    try {
      await rm(folder, { recursive: true, force: true });
      await mkdir(folder);
      await writeFile(join(folder, EVENTS_FILE), '');
      this.#folder = folder;
      this.#write();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Shows a picture of the splat in place of the one before. */
  async showPicture(picture: Uint8Array): Promise<void> {
    if (this.#folder === undefined || this.#hasEnded) return;
    const draft = join(this.#folder, `.${PREVIEW_FILE}`);
    await writeFile(draft, picture);
    await rename(draft, join(this.#folder, PREVIEW_FILE));
    this.add({ event: 'preview' });
  }

  async close(): Promise<void> {
    this.#hasEnded = true;
    await this.#writing;
    const folder = this.#folder;
    if (folder === undefined) return;
    this.#folder = undefined;
    if (drafts.delete(folder)) quiet(() => rmSync(folder, { recursive: true, force: true }));
  }

  #write(): void {
    this.#writing = this.#writing.then(async () => {
      const text = this.#pending;
      if (this.#folder === undefined || !text) return;
      this.#pending = '';
      await appendFile(join(this.#folder, EVENTS_FILE), text).catch((error: unknown) => this.#fail(error));
    });
  }

  #fail(error: unknown): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true; // first: the fault is an event, too
    const reason = error instanceof Error ? error.message : String(error);
    this.#onFault(`splatline view cannot show this run before its end: ${reason}`);
  }
}
