import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import axe from 'axe-core';
import { scratchFolder } from './scratch.ts';

/** Debian's name and others'. */
const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];
const found = NAMES.find((name) => spawnSync(name, ['--version']).status === 0);

/** The reason why no test can open a page here, for `testUnless`. */
export const noChromium = found === undefined ? 'there is no chromium (apt-get install chromium)' : undefined;

interface Message {
  id?: number;
  method?: string;
  params?: Record<string, unknown>;
  result?: Record<string, unknown>;
  error?: { message: string };
}

/** A page in headless Chromium, with WebGL in software and no network but this machine. Commands are those of the DevTools protocol. */
export class Page {
  readonly #process: ChildProcess;
  readonly #pending = new Map<number, (message: Message) => void>();
  #count = 0;
  #session?: string;
  /** What the page wrote to its console. */
  readonly console: string[] = [];
  /** The errors of its console: written ones, exceptions, and those of the browser. */
  readonly errors: string[] = [];
  /** The addresses that the page asked for, except data: and blob:. */
  readonly requests: string[] = [];

  private constructor(process: ChildProcess) {
    this.#process = process;
    let rest = Buffer.alloc(0);
    (process.stdio[4] as Readable).on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      for (let end = rest.indexOf(0); end >= 0; end = rest.indexOf(0)) {
        this.#take(JSON.parse(rest.toString('utf8', 0, end)));
        rest = rest.subarray(end + 1);
      }
    });
  }

  static async open(url: string, { width = 320, height = 240, webgl = true } = {}): Promise<Page> {
    const options = [
      '--headless',
      '--no-sandbox',
      '--remote-debugging-pipe',
      ...(webgl
        ? ['--use-gl=angle', '--use-angle=swiftshader', '--enable-unsafe-swiftshader']
        : ['--disable-3d-apis']),
      '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
      `--user-data-dir=${scratchFolder()}`,
      `--window-size=${width},${height}`,
    ];
    const process = spawn(found!, options, { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
    const page = new Page(process);
    const { targetId } = await page.send('Target.createTarget', { url: 'about:blank' });
    page.#session = String((await page.send('Target.attachToTarget', { targetId, flatten: true })).sessionId);
    await page.send('Runtime.enable');
    await page.send('Network.enable');
    await page.send('Page.enable');
    await page.send('Log.enable');
    await page.send('Page.navigate', { url });
    return page;
  }

  send(method: string, params: object = {}): Promise<Record<string, unknown>> {
    const id = ++this.#count;
    const message = { id, method, params, sessionId: this.#session };
    (this.#process.stdio[3] as Writable).write(`${JSON.stringify(message)}\0`);
    return new Promise((resolve, reject) => {
      this.#pending.set(id, ({ result, error }) =>
        error ? reject(new Error(`${method}: ${error.message}`)) : resolve(result!),
      );
    });
  }

  /** The value of an expression in the page. */
  async evaluate(expression: string): Promise<unknown> {
    const answer = await this.send('Runtime.evaluate', {
      expression,
      returnByValue: true,
      awaitPromise: true,
    });
    if (answer.exceptionDetails) throw new Error(`${expression}: ${JSON.stringify(answer.exceptionDetails)}`);
    return (answer.result as { value?: unknown }).value;
  }

  /** Waits until an expression is true. @throws Error after `seconds`, with the page's console. */
  async until(expression: string, seconds = 30): Promise<void> {
    const end = Date.now() + 1000 * seconds;
    while (!(await this.evaluate(expression))) {
      if (Date.now() > end)
        throw new Error(`not true in ${seconds} s: ${expression}\n${this.console.join('\n')}`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  /** Rules of accessibility that the page violates seriously; targets of less than 24 pixels are among them. */
  async violations(): Promise<unknown> {
    await this.evaluate(`${axe.source}; 0`);
    return this.evaluate(
      `axe.run({ rules: { 'target-size': { enabled: true } } }).then(({ violations }) => violations
        .filter(({ impact }) => ['serious', 'critical'].includes(impact))
        .map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html.slice(0, 80)).join(' | ')))`,
    );
  }

  /** A picture of the window, or of what the options choose, PNG. */
  async screenshot(options: object = {}): Promise<Uint8Array> {
    const { data } = await this.send('Page.captureScreenshot', options);
    return Buffer.from(String(data), 'base64');
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.kill('SIGKILL');
    await ended;
  }

  #take({ id, method, params = {}, ...answer }: Message): void {
    if (id !== undefined) {
      this.#pending.get(id)?.(answer);
      this.#pending.delete(id);
    }
    if (method === 'Runtime.consoleAPICalled') {
      const parts = params.args as { value?: unknown; description?: string }[];
      this.#note(parts.map(({ value, description }) => String(value ?? description)).join(' '), params.type);
    }
    if (method === 'Runtime.exceptionThrown') this.#note(JSON.stringify(params.exceptionDetails), 'error');
    if (method === 'Log.entryAdded') {
      const { text, level } = params.entry as { text: string; level: string };
      this.#note(text, level);
    }
    if (method === 'Network.requestWillBeSent') {
      const { url } = params.request as { url: string };
      if (!/^(data|blob):/.test(url)) this.requests.push(url);
    }
  }

  #note(text: string, level: unknown): void {
    this.console.push(text);
    if (level === 'error' || level === 'assert') this.errors.push(text);
  }
}
