import type { ViewRequest } from './server.ts';

/**
 * Milliseconds between two looks at the files of what a page shows. File systems of a network and of some containers do not
 * notify about the changes of other machines; a look is one `stat`.
 */
const LOOK_MS = 500;
/** Milliseconds until a browser that has lost the connection tries again. */
const RETRY_MS = 2000;
/** Bytes that may wait for a page. A page that is behind by more is disconnected, and a browser connects again. */
const MAX_WAITING = 8 * 2 ** 20;

/** A running run or matrix, read from its files. */
export interface Followed {
  /** All that the page shows. */
  readonly report: object;
  /** It no longer runs. */
  readonly hasEnded: boolean;
  /** Reads what is new, and never rejects. Returns the change of `report`; undefined without one. */
  update(): Promise<object | undefined>;
}

/** Sends the state of a running run or matrix to its pages as server-sent events: `run` with each change, and `end`. */
export class Feed {
  readonly #followed: Followed;
  readonly #onEnd: (feed: Feed) => void;
  readonly #pages = new Set<ViewRequest['response']>();
  #timer?: NodeJS.Timeout;
  #looking?: Promise<void>;

  /** `onEnd` is called when the last page has left, and at the end of the run. */
  constructor(followed: Followed, onEnd: (feed: Feed) => void) {
    this.#followed = followed;
    this.#onEnd = onEnd;
  }

  /** Adds a page, which first receives everything. */
  async join(page: ViewRequest['response']): Promise<void> {
    startEvents(page);
    page.write(`retry: ${RETRY_MS}\n\n`);
    await this.#look();
    if (!page.destroyed) this.#add(page); // else it was closed meanwhile, and no `close` follows
    if (!this.#pages.size) this.close();
  }

  #add(page: ViewRequest['response']): void {
    page.write(message('run', this.#followed.report));
    if (this.#followed.hasEnded) return void page.end(message('end', {}));
    this.#pages.add(page);
    page.once('close', () => this.#leave(page));
    this.#timer ??= setInterval(() => void this.#look(), LOOK_MS);
  }

  /** Ends all connections. */
  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    for (const page of this.#pages) page.end();
    this.#pages.clear();
    this.#onEnd(this);
  }

  #leave(page: ViewRequest['response']): void {
    this.#pages.delete(page);
    if (!this.#pages.size) this.close();
  }

  /** One look at a time: a slow disk delays the next one. */
  #look(): Promise<void> {
    this.#looking ??= this.#update().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #update(): Promise<void> {
    const change = await this.#followed.update();
    if (change) this.#send(message('run', change));
    if (!this.#followed.hasEnded) return;
    this.#send(message('end', {}));
    this.close();
  }

  #send(text: string): void {
    for (const page of this.#pages) {
      if (page.writableLength > MAX_WAITING) page.destroy();
      else page.write(text);
    }
  }
}

/** Answers a request for server-sent events with the headers. */
export function startEvents(response: ViewRequest['response']): void {
  response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
}

function message(event: 'run' | 'end', data: object): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
