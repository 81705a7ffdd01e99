/** Reports: what they read, when they are written, and their pages in Chromium without a network. */
import { readFileSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { buildIfStale } from '../pipeline/build.mjs';
import type { CellRecord, MatrixRecord } from '../pipeline/matrix/record.ts';
import { readComparison } from '../pipeline/report/comparison-report.ts';
import { changedOptions } from '../pipeline/report/options.ts';
import { readRun } from '../pipeline/report/run-report.ts';
import { writeComparison, writeMatrixReport, writeRunReport } from '../pipeline/report/write.ts';
import { MetricsLog } from '../pipeline/run/metrics-log.ts';
import type { CheckpointStore, SavedCheckpoint } from '../stages/checkpoints.ts';
import { stages } from '../stages/index.ts';
import { silent } from '../stages/stage.ts';
import { noChromium, Page } from './helpers/chromium.ts';
import { exampleRun } from './helpers/example-run.ts';
import { put, scratchFolder } from './helpers/scratch.ts';
import { testUnless } from './helpers/skip.ts';

test.before(() => buildIfStale());

test('a report has the prompt, the worst held-out view first, curves, and where a stage takes its inputs', async () => {
  const run = await readRun(await exampleRun(scratchFolder()));
  assert.is(run.prompt, 'old <wood>');
  assert.equal(
    run.heldOut.map(({ name, before }) => [name, before?.psnr]),
    [
      ['bad', 15],
      ['good', 30],
    ],
  );
  const [{ stage, steps, series }] = run.curves;
  assert.equal([stage, steps, series[1]], ['train', [50, 100, 150], { name: 'psnr', values: [5, 10, 15] }]);
  assert.equal(run.stages[2].inputs, [{ artefact: 'gaussians', from: 'train' }]);
  assert.is(run.stages[1].bytesDown, 2048);
  assert.equal(
    run.scores.map(({ name, before, meaning }) => [name, before, Boolean(meaning)]),
    [
      ['psnr', 30.25, true],
      ['clip.margin', undefined, false],
    ],
  );
  assert.is(run.turntable?.frames.length, 3);
});

test('only options that differ from the defaults are listed', () => {
  const train = stages.find(({ name }) => name === 'train')!;
  assert.equal(changedOptions(train, { steps: 150, dssim: 0.2, start: 'keep', cap: 9 }, '/'), [
    { name: 'steps', value: '150', standard: '7000' },
    { name: 'start', value: 'keep', standard: 'strategy' },
    { name: 'cap', value: '9' },
  ]);
});

test('a report is written again only if the results changed', async () => {
  const folder = await exampleRun(scratchFolder());
  const { file, isNew } = await writeRunReport(folder);
  assert.ok(isNew);
  utimesSync(file, 1, 1);
  await exampleRun(folder, { seconds: 0.1 });
  assert.equal(await writeRunReport(folder), { file, isNew: false });
  assert.is(statSync(file).mtimeMs, 1000);
  await exampleRun(folder, { status: 'failed', error: 'no </script> memory' });
  assert.ok((await writeRunReport(folder)).isNew);
  assert.match(readFileSync(file, 'utf8'), 'no \\u003c/script> memory');
});

test('a comparison has the options that differ, and a value of each run for every score', async () => {
  const [a, b] = [
    await exampleRun(scratchFolder()),
    await exampleRun(scratchFolder(), { seed: 7, scores: [] }),
  ];
  const { options, scores } = await readComparison([a, b]);
  assert.equal(options, [{ name: 'seed', values: ['42', '7'] }]);
  assert.equal(scores[0], { name: 'psnr', unit: 'dB', values: [22.5, undefined] });
});

test('a log of metrics resumes from a checkpoint with the lines up to its step', async () => {
  const saved: SavedCheckpoint[] = [];
  const store: CheckpointStore = {
    stopping: false,
    due: () => true,
    save: async (checkpoint) => void saved.push(checkpoint),
    latest: async () => saved.at(-1),
  };
  const work = (log: MetricsLog, steps: readonly number[]) => {
    for (const step of steps)
      log
        .over(silent)
        .progress({ step, steps: 150, logged: true, metrics: { loss: 1 / step, none: Number.NaN } });
  };
  const whole = new MetricsLog();
  work(whole, [50, 100]);
  await whole.keptIn(store).save({ step: 70, numbers: {}, tensors: { sh: new Uint8Array(4) } });
  work(whole, [150]);
  const resumed = new MetricsLog();
  const found = await resumed.keptIn(store).latest();
  assert.equal(Object.keys(found!.tensors), ['sh']);
  assert.is(resumed.text(), '{"step":50,"loss":0.02}\n');
  work(resumed, [100, 150]);
  assert.is(resumed.text(), whole.text());
});

/** A page of this folder, at a width; it has written nothing to its console and asked for nothing else. */
async function withPage(file: string, width: number, body: (page: Page) => Promise<void>): Promise<void> {
  const page = await Page.open(pathToFileURL(file).href, { width, height: 900 });
  try {
    // A window has a least width; a screen has none.
    const screen = { width, height: 900, deviceScaleFactor: 1, mobile: false };
    await page.send('Emulation.setDeviceMetricsOverride', screen);
    await page.until("document.readyState === 'complete' && document.querySelector('main h1')");
    await body(page);
    assert.equal(page.console, []);
    assert.equal(
      page.requests.filter((url) => !url.startsWith('file:')),
      [],
    );
  } finally {
    await page.close();
  }
}

/** The colour of the screen at the middle of the frame. */
async function middleOfFrame(page: Page): Promise<number[]> {
  const [x, y] = (await page.evaluate(
    `(() => { const box = document.querySelector('.compare .stage').getBoundingClientRect();
      return [box.left + box.width * 0.4, box.top + box.height * 0.25].map(Math.round); })()`,
  )) as number[];
  const shot = sharp(await page.screenshot()).extract({ left: x, top: y, width: 1, height: 1 });
  return [...(await shot.removeAlpha().raw().toBuffer())];
}

for (const width of [1280, 390]) {
  testUnless(test, noChromium, `the page of a run works at ${width} pixels`, async () => {
    const { file } = await writeRunReport(await exampleRun(scratchFolder()));
    await withPage(file, width, async (page) => {
      assert.is(await page.evaluate("document.querySelector('h1').textContent"), '“old <wood>”');
      const move = (percent: number) =>
        page.evaluate(
          `(() => { const split = document.querySelector('.split'); split.value = ${10 * percent};
            split.dispatchEvent(new Event('input', { bubbles: true }));
            return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(1)))); })()`,
        );
      await move(100);
      const [red] = await middleOfFrame(page);
      await move(0);
      const [, , blue] = await middleOfFrame(page);
      assert.ok(red > 200 && blue > 200, `red ${red}, blue ${blue}`);
      const frame = `document.querySelector('.compare label input')`;
      const shown = await page.evaluate(
        `(${frame}.value = 2, ${frame}.dispatchEvent(new Event('input')), document.querySelector('.after').alt)`,
      );
      assert.match(String(shown), 'Frame 0002');
      await page.until("document.querySelectorAll('.curve canvas').length === 2");
      assert.ok(Number(await page.evaluate('document.documentElement.scrollWidth')) <= width);
      assert.equal(await page.violations(), []);
    });
  });
}

testUnless(test, noChromium, 'the page of a failed run says what failed', async () => {
  const changes = { status: 'failed', error: 'no memory', scores: undefined };
  const { file } = await writeRunReport(await exampleRun(scratchFolder(), changes));
  await withPage(file, 1280, async (page) => {
    assert.match(String(await page.evaluate("document.querySelector('.problem').innerText")), 'no memory');
    assert.equal(await page.violations(), []);
  });
});

testUnless(test, noChromium, 'the table of a matrix sorts, and its cells lead to their reports', async () => {
  const folder = scratchFolder();
  const cell = (name: string, psnr: number): CellRecord => {
    put(folder, `${name}/report.html`, '');
    const scores = [{ name: 'psnr', value: psnr, unit: 'dB', over: '' }];
    return { ...{ name, folder: name, status: 'done', seconds: 1, scores }, values: { prompt: name } };
  };
  const cells = [cell('gold', 9.5), cell('ice', 30), cell('wood', 20)];
  const about = { format: 1, status: 'done', name: 'styles', file: '/p.yaml', set: [], jobs: 1 } as const;
  const record: MatrixRecord = { ...about, seconds: 3, axes: { prompt: ['gold', 'ice', 'wood'] }, cells };
  await withPage(await writeMatrixReport(folder, record), 1280, async (page) => {
    const order = () =>
      page.evaluate("[...document.querySelectorAll('tbody th')].map((th) => th.textContent)");
    const click = () => page.evaluate("[...document.querySelectorAll('thead button')].at(-1).click()");
    await click();
    assert.equal(await order(), ['gold', 'wood', 'ice']);
    await click();
    assert.equal(await order(), ['ice', 'wood', 'gold']);
    const link = await page.evaluate("document.querySelector('tbody a').getAttribute('href')");
    assert.is(link, 'ice/report.html');
    assert.equal(await page.violations(), []);
  });
});

testUnless(test, noChromium, 'the page of a comparison shows a frame of each run', async () => {
  const [a, b] = [await exampleRun(scratchFolder()), await exampleRun(scratchFolder(), { seed: 7 })];
  const file = join(scratchFolder(), 'comparison.html');
  await writeComparison([a, b], file);
  await withPage(file, 1280, async (page) => {
    assert.is(await page.evaluate("document.querySelectorAll('.side-by-side img').length"), 2);
    assert.match(String(await page.evaluate('document.body.innerText')), '22.50');
    assert.equal(await page.violations(), []);
  });
});

test.run();
