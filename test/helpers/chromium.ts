import { spawnSync } from 'node:child_process';
import axe from 'axe-core';
import { type Browser, type ConsoleMessage, chromium, type Page as Tab } from 'playwright-core';

/** Debian's name and others'. */
const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];
const found = NAMES.map((name) => spawnSync('which', [name], { encoding: 'utf8' }).stdout.trim()).find(
  Boolean,
);

/** The reason why no test can open a page here, for `testUnless`. */
export const noChromium = found === undefined ? 'there is no chromium (apt-get install chromium)' : undefined;

/** A page in headless Chromium, with WebGL in software and no network but this machine. */
export class Page {
  readonly #browser: Browser;
  readonly tab: Tab;
  /** What the page wrote to its console, and its exceptions. */
  readonly console: string[] = [];
  /** The errors among them. */
  readonly errors: string[] = [];
  /** The addresses that the page asked for, except data: and blob:. */
  readonly requests: string[] = [];

  private constructor(browser: Browser, tab: Tab) {
    this.#browser = browser;
    this.tab = tab;
    tab.on('console', (message: ConsoleMessage) => {
      this.console.push(message.text());
      if (['error', 'assert'].includes(message.type())) this.errors.push(message.text());
    });
    tab.on('pageerror', (error) => {
      this.console.push(String(error));
      this.errors.push(String(error));
    });
    tab.on('request', (request) => {
      if (!/^(data|blob):/.test(request.url())) this.requests.push(request.url());
    });
  }

  static async open(url: string, { width = 320, height = 240, webgl = true } = {}): Promise<Page> {
    const browser = await chromium.launch({
      executablePath: found,
      args: [
        ...(webgl
          ? ['--use-gl=angle', '--use-angle=swiftshader', '--enable-unsafe-swiftshader']
          : ['--disable-3d-apis']),
        '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
      ],
    });
    const page = new Page(browser, await browser.newPage({ viewport: { width, height } }));
    await page.tab.goto(url);
    return page;
  }

  /** The value of an expression in the page. */
  evaluate(expression: string): Promise<unknown> {
    return this.tab.evaluate(expression);
  }

  /** Waits until an expression is true. @throws Error after `seconds`, with the page's console. */
  async until(expression: string, seconds = 30): Promise<void> {
    const waiting = this.tab.waitForFunction(expression, undefined, {
      timeout: 1000 * seconds,
      polling: 200,
    });
    await waiting.catch((error: Error) => {
      throw new Error(`${error.message}: ${expression}\n${this.console.join('\n')}`);
    });
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

  close(): Promise<void> {
    return this.#browser.close();
  }
}
