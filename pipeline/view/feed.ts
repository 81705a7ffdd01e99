import type { ServerResponse } from 'node:http';
import type { CurveData, LiveUpdate } from '../report/data.ts';
import { LiveRun } from './live-run.ts';

/**
 * Milliseconds between two looks at the file of a run that a page shows. File systems of a network and of some containers do not
 * notify about the changes of other machines; a look is one `stat`.
 */
const LOOK_MS = 500;
/** Milliseconds until a browser that has lost the connection tries again. */
const RETRY_MS = 2000;

/** Sends the state of a running run to its pages as server-sent events: `run` with each change, and `end`. */
export class Feed {
  readonly #run: LiveRun;
  readonly #onEnd: () => void;
  readonly #pages = new Set<ServerResponse>();
  #timer?: NodeJS.Timeout;
  #looking?: Promise<void>;
  /** The curves that all pages have received. */
  #sentCurves: readonly CurveData[] = [];

  constructor(folder: string, onEnd: () => void) {
    this.#run = new LiveRun(folder);
    this.#onEnd = onEnd;
  }

  /** Adds a page, which first receives everything. */
  async join(page: ServerResponse): Promise<void> {
    page.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
    page.write(`retry: ${RETRY_MS}\n\n`);
    await this.#look();
    if (page.destroyed) return; // it was closed meanwhile, and no `close` follows
    page.write(message('run', this.#run.report));
    if (this.#run.hasEnded) return void page.end(message('end', {}));
    this.#pages.add(page);
    page.once('close', () => this.#leave(page));
    this.#timer ??= setInterval(() => void this.#look(), LOOK_MS);
  }

  /** Ends all connections. */
  close(): void {
    clearInterval(this.#timer);
    for (const page of this.#pages) page.end();
    this.#pages.clear();
    this.#onEnd();
  }

  #leave(page: ServerResponse): void {
    this.#pages.delete(page);
    if (this.#pages.size) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** One look at a time: a slow disk delays the next one. */
  #look(): Promise<void> {
    this.#looking ??= this.#update().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #update(): Promise<void> {
    const isNew = await this.#run.update();
    const { curves, ...others } = this.#run.report;
    const update: LiveUpdate = { ...others, ...(curves !== this.#sentCurves && { curves }) };
    this.#sentCurves = curves;
    if (isNew) this.#send(message('run', update));
    if (!this.#run.hasEnded) return;
    this.#send(message('end', {}));
    this.close();
  }

  #send(text: string): void {
    for (const page of this.#pages) page.write(text);
  }
}

function message(event: 'run' | 'end', data: object): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
