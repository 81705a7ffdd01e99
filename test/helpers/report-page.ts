import { fileURLToPath, pathToFileURL } from 'node:url';
import sharp from 'sharp';
import * as assert from 'uvu/assert';
import { Page } from './chromium.ts';
import { put } from './scratch.ts';

/** Pictures of the pages, for people. */
const PICTURES = fileURLToPath(new URL('../../out/report-pictures/', import.meta.url));
const WIDTHS = [1280, 390] as const;
/** Chromium repeats the start of a taller picture below. */
const MAX_HEIGHT = 8000;

interface PageOptions {
  width?: number;
  webgl?: boolean;
  /** The page may write to its console, but no errors. */
  logs?: boolean;
}

/** Opens a page from disk; it requests nothing else, and writes nothing to its console. */
export async function withPage(
  file: string,
  body: (page: Page) => Promise<void>,
  { width = 1280, webgl, logs = false }: PageOptions = {},
): Promise<void> {
  const page = await Page.open(pathToFileURL(file).href, { width, height: 900, webgl });
  try {
    await page.until("document.readyState === 'complete' && document.querySelector('main h1')");
    await body(page);
    assert.equal(logs ? page.errors : page.console, []);
    assert.equal(
      page.requests.filter((url) => !url.startsWith('file:')),
      [],
    );
  } finally {
    await page.close();
  }
}

/** Takes pictures of the whole page, in which nothing may be wider than the window. */
export async function takePictures(
  page: Page,
  name: string,
  widths: readonly number[] = WIDTHS,
): Promise<void> {
  for (const width of widths) {
    await page.tab.setViewportSize({ width, height: 900 });
    await page.evaluate("scrollTo({ top: 0, behavior: 'instant' })");
    await page.until(`document.documentElement.scrollWidth <= ${width}`);
    const isCut =
      "(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth)(document.querySelector('nav'))";
    assert.is(
      await page.evaluate(isCut),
      false,
      `a section is not in the bar of ${name}, ${width} pixels wide`,
    );
    const height = Number(await page.evaluate('document.documentElement.scrollHeight'));
    const clip = { x: 0, y: 0, width, height: Math.min(height, MAX_HEIGHT) };
    put(PICTURES, `${name}-${width}.png`, await page.tab.screenshot({ fullPage: true, clip }));
  }
}

/** The colour of the screen at a place of an element, in shares of its size. */
export async function colorAt(
  page: Page,
  selector: string,
  [across, down]: readonly number[],
): Promise<number[]> {
  const [left, top] = (await page.evaluate(
    `(() => { const found = document.querySelector('${selector}');
      found.scrollIntoView({ block: 'center', behavior: 'instant' });
      const box = found.getBoundingClientRect();
      return [box.left + box.width * ${across}, box.top + box.height * ${down}].map(Math.round); })()`,
  )) as number[];
  const shot = sharp(await page.tab.screenshot()).extract({ left, top, width: 1, height: 1 });
  return [...(await shot.removeAlpha().raw().toBuffer())];
}

/** Waits for the viewer's first frame. */
export async function viewerIsReady(page: Page): Promise<void> {
  await page.until(`document.querySelector('.viewer iframe')?.contentDocument
    ?.getElementById('loadingWrap')?.classList.contains('hidden')`);
}

/** Moves the slider of the first comparison, and waits for the picture. */
export async function slideTo(page: Page, percent: number): Promise<void> {
  await page.evaluate(
    `(() => { const split = document.querySelector('.split'); split.value = ${10 * percent};
      split.dispatchEvent(new Event('input', { bubbles: true }));
      return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(1)))); })()`,
  );
}
