/** Reports: what they read, when they are written, and their pages in Chromium without a network. */
import { readFileSync, rmSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { buildIfStale } from '../pipeline/build.mjs';
import { reportCommand } from '../pipeline/cli/report.ts';
import type { CellRecord, MatrixRecord } from '../pipeline/matrix/record.ts';
import { readComparison } from '../pipeline/report/comparison-report.ts';
import { changedOptions } from '../pipeline/report/options.ts';
import { readRun } from '../pipeline/report/run-report.ts';
import { writeComparison, writeMatrixReport, writeRunReport } from '../pipeline/report/write.ts';
import { MetricsLog } from '../pipeline/run/metrics-log.ts';
import { LOCK } from '../pipeline/run/run-folder.ts';
import { lock } from '../pipeline/store/lock.ts';
import type { CheckpointStore, SavedCheckpoint } from '../stages/checkpoints.ts';
import { stages } from '../stages/index.ts';
import { silent } from '../stages/stage.ts';
import { noChromium, type Page } from './helpers/chromium.ts';
import { exampleRun, exampleRunWithSplat } from './helpers/example-run.ts';
import { colorAt, slideTo, takePictures, viewerIsReady, withPage } from './helpers/report-page.ts';
import { put, scratchFolder } from './helpers/scratch.ts';
import { testUnless } from './helpers/skip.ts';
import { commandOutput } from './helpers/terminal.ts';
import { throwsInput } from './helpers/throws.ts';

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

test('the report of a killed run says that it was stopped', async () => {
  const folder = await exampleRun(scratchFolder(), { status: 'running' });
  const held = await lock(join(folder, LOCK));
  assert.is((await readRun(folder)).status, 'running');
  await writeRunReport(folder);
  held.release();
  assert.is((await readRun(folder)).status, 'stopped');
  assert.ok((await writeRunReport(folder)).isNew);
});

test('a comparison has the options that differ, and a value of each run for every score', async () => {
  const [a, b] = [
    await exampleRun(scratchFolder()),
    await exampleRun(scratchFolder(), { seed: 7, scores: [] }),
  ];
  const { options, scores, files } = await readComparison([a, b]);
  assert.equal(options, [{ name: 'seed', values: ['42', '7'] }]);
  assert.equal(scores[0], { name: 'psnr', unit: 'dB', values: [22.5, undefined] });
  assert.equal(files, []);
});

test('the command chooses the page by what the folder is', async () => {
  const root = scratchFolder();
  const report = async (...args: string[]) => (await commandOutput(reportCommand(), ...args)).out;
  const pageOf = async (path: string) => {
    const folder = join(root, path.split('/')[0]);
    assert.is(await report(join(root, path)), `${join(folder, 'report.html')}\n`);
    const page = readFileSync(join(folder, 'report.html'), 'utf8');
    rmSync(join(folder, 'report.html'));
    return page;
  };
  await exampleRun(join(root, 'fox'));
  await exampleRun(join(root, 'broken'), { status: 'failed', error: 'no memory' });
  const axes = { prompt: ['ice'] };
  const about = { format: 1, status: 'done', name: 'styles', file: '/p.yaml', cwd: '/', command: 'npx' };
  put(
    root,
    'styles/matrix.json',
    JSON.stringify({ ...about, set: [], jobs: 1, seconds: 1, axes, cells: [] }),
  );
  for (const path of ['fox', 'fox/run.json']) assert.match(await pageOf(path), '"kind":"run"');
  assert.match(await pageOf('broken'), '"status":"failed","error":"no memory"');
  for (const path of ['styles', 'styles/matrix.json']) assert.match(await pageOf(path), '"kind":"matrix"');
  const out = join(root, 'both.html');
  assert.is(await report(join(root, 'fox'), join(root, 'broken/run.json'), '--out', out), `${out}\n`);
  assert.match(readFileSync(out, 'utf8'), '"kind":"comparison"');
  await throwsInput(() => report(join(root, 'fox'), 'fox@3fa2b1c9'), /runs --restore fox@3fa2b1c9 brings it/);

  put(root, 'fox.golden/golden.json', '{}');
  const file = put(root, 'fox.yaml', '');
  await throwsInput(() => report(join(root, 'fox.golden')), /golden recording; .*golden check FILE --html/);
  for (const path of [root, file, join(file, 'below'), join(root, 'nothing')])
    await throwsInput(() => report(path), /expected the folder of a run or of a matrix/);
  await throwsInput(() => report(join(root, 'styles'), '--viewer'), /the page of a matrix has no viewer/);
  await throwsInput(() => report(join(root, 'fox'), '--out', out), /--out: is for several runs/);
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

/** The red and blue of the picture beside the slider's handle, with the slider at a share. */
async function slide(page: Page, percent: number): Promise<{ red: number; blue: number }> {
  await slideTo(page, percent);
  const [red, , blue] = await colorAt(page, '.compare .stage', [0.4, 0.25]);
  return { red, blue };
}

/** Moves the pointer to a share of an element's width. */
async function hover(page: Page, selector: string, across: number): Promise<void> {
  const [x, y] = (await page.evaluate(
    `(() => { const found = document.querySelector('${selector}');
      found.scrollIntoView({ block: 'center', behavior: 'instant' });
      const box = found.getBoundingClientRect();
      return [box.left + ${across} * box.width, box.top + box.height / 2]; })()`,
  )) as number[];
  await page.tab.mouse.move(x, y);
}

/** An expression: the pixels of the first curve in a colour. */
function drawnIn(...color: readonly number[]): string {
  return `(() => { const canvas = document.querySelector('.curve canvas');
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let i = 0; i < data.length; i += 4)
      if (data[i + 3] === 255 && ${JSON.stringify(color)}.every((value, c) => data[i + c] === value)) count++;
    return count; })()`;
}

let runWithViewer: Promise<string> | undefined;
/** A page with a viewer, written once: the viewer takes seconds. */
function pageWithViewer(): Promise<string> {
  runWithViewer ??= exampleRunWithSplat(scratchFolder()).then(async (folder) => {
    const { file, isNew } = await writeRunReport(folder);
    assert.ok(isNew);
    assert.match(readFileSync(file, 'utf8'), /npx splatline report \S+ --viewer/);
    assert.ok((await writeRunReport(folder, { viewer: true })).isNew);
    assert.not((await writeRunReport(folder, { viewer: true })).isNew);
    assert.not((await writeRunReport(folder)).isNew, 'the viewer stays');
    return file;
  });
  return runWithViewer;
}

testUnless(test, noChromium, 'the page of a run has a slider, a video and a viewer that work', async () => {
  const check = async (page: Page) => {
    assert.is(await page.evaluate("document.querySelector('h1').textContent"), '“old <wood>”');
    assert.is(
      await page.evaluate("document.querySelector('.what').textContent"),
      'A 3D scene (a Gaussian splat), made from photographs and restyled to look like this text.',
    );
    // Of a restyled run, the fidelity that counts is that of the trained splat.
    assert.match(
      String(await page.evaluate("document.querySelector('.score').innerText.replace(/\\s+/g, ' ')")),
      /^PSNR before restyling 30\.25 dB 22\.50 after restyling, which changes the colours on purpose How close /,
    );
    const [before, after] = [await slide(page, 100), await slide(page, 0)];
    assert.ok(before.red > 200 && after.blue > 200, JSON.stringify({ before, after }));
    const frame = `document.querySelector('.compare label input')`;
    const shown = await page.evaluate(
      `(${frame}.value = 2, ${frame}.dispatchEvent(new Event('input')), document.querySelector('.after').alt)`,
    );
    assert.match(String(shown), 'Frame 0002');

    const video = "document.querySelector('video')";
    await page.evaluate(`${video}.play()`);
    await page.until(`${video}.getVideoPlaybackQuality().totalVideoFrames > 5 && ${video}.currentTime > 0`);
    assert.equal(
      await page.evaluate(`(${video}.pause(), [${video}.duration, ${video}.videoWidth])`),
      [1, 64],
    );

    await page.until("document.querySelectorAll('.curve canvas').length === 2");
    await hover(page, '.curve canvas', 0.5);
    await page.until("document.querySelector('.curve output').textContent === '0.01 at step 100'");
    await page.tab.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.evaluate("document.querySelector('.copy').click()");
    await page.until("document.querySelector('.copy').textContent === 'Copied'");
    assert.is(await page.evaluate('navigator.clipboard.readText()'), 'npx splatline run example.yaml');
    assert.equal(await page.violations(), []);
    await takePictures(page, 'run', [1280]);

    const folded = (event: string) =>
      page.evaluate(
        `(dispatchEvent(new Event('${event}')), document.querySelectorAll('details:not([open])').length)`,
      );
    await page.tab.emulateMedia({ colorScheme: 'dark' });
    await page.until(`${drawnIn(0x8d, 0xb0, 0xff)} > 100`);
    assert.is(await folded('beforeprint'), 0, 'print shows all');
    await page.until(`${drawnIn(0x2c, 0x5f, 0xd5)} > 100`);
    assert.is(await page.evaluate(drawnIn(0x8d, 0xb0, 0xff)), 0, 'print is light, also of a dark page');
    assert.ok(Number(await folded('afterprint')) > 1);
    await page.until(`${drawnIn(0x8d, 0xb0, 0xff)} > 100`);
    await page.tab.emulateMedia({ colorScheme: null });

    assert.is(await page.evaluate("document.querySelector('.viewer iframe')"), null, 'nothing loads before');
    await page.evaluate("document.querySelector('.viewer .open').click()");
    await viewerIsReady(page);
    const middle = () => colorAt(page, '.viewer .stage', [0.5, 0.5]);
    const [, , blue] = await middle();
    assert.ok(blue > 150, `blue ${blue}`);
    assert.equal(await colorAt(page, '.viewer .stage', [0.03, 0.2]), [0, 0, 0], 'the background');
    await page.evaluate("document.querySelectorAll('.viewer .choice input')[1].click()");
    await page.until("document.querySelector('.viewer iframe').title.includes('before')");
    await viewerIsReady(page);
    const [red] = await middle();
    assert.ok(red > 150, `red ${red}`);
  };
  await withPage(await pageWithViewer(), check, { logs: true }); // the viewer names its version
});

testUnless(test, noChromium, 'a narrow page without WebGL has a picture in place of the viewer', async () => {
  const check = async (page: Page) => {
    await page.until("!document.querySelector('.viewer .missing').hidden");
    assert.is(await page.evaluate("document.querySelector('.viewer .open').offsetParent"), null);
    assert.ok(await page.evaluate("document.querySelector('.viewer img').naturalWidth"));
    assert.equal(await page.violations(), []);
    await takePictures(page, 'run', [390]);
  };
  await withPage(await pageWithViewer(), check, { width: 390, webgl: false, logs: true });
});

test('a viewer needs a splat', async () => {
  const folder = await exampleRun(scratchFolder());
  await throwsInput(() => writeRunReport(folder, { viewer: true }), /no splat.*omit --viewer/);
});

testUnless(test, noChromium, 'the page of a failed run says what failed', async () => {
  const changes = { status: 'failed', error: 'no memory', endedIn: 'score', scores: undefined };
  const { file } = await writeRunReport(await exampleRun(scratchFolder(), changes));
  await withPage(file, async (page) => {
    assert.match(String(await page.evaluate("document.querySelector('.problem').innerText")), 'no memory');
    const states = "[...document.querySelectorAll('.node .pill')].map(({ textContent }) => textContent)";
    assert.equal(await page.evaluate(states), ['read', 'ran', 'ran', 'ran', 'failed']);
    assert.match(
      String(await page.evaluate("document.querySelector('.command').innerText")),
      /^Continue it\s+Copy\s+npx splatline run example\.yaml\s+In \S+ The same command uses the finished stages/,
    );
    assert.equal(await page.violations(), []);
    await takePictures(page, 'failed-run');
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
  const about = { format: 1, status: 'done', name: 'styles', file: '/films/p.yaml' } as const;
  const repeat = { command: "npx splatline run p.yaml --set 'name=a b'", cwd: '/films', set: [], jobs: 1 };
  const axes = { prompt: ['gold', 'ice', 'wood'] };
  const record: MatrixRecord = { ...about, ...repeat, seconds: 3, axes, cells };
  await withPage(await writeMatrixReport(folder, record), async (page) => {
    const order = () =>
      page.evaluate("[...document.querySelectorAll('tbody th')].map((th) => th.textContent)");
    const click = () => page.evaluate("[...document.querySelectorAll('thead button')].at(-1).click()");
    await click();
    assert.equal(await order(), ['gold', 'wood', 'ice']);
    await click();
    assert.equal(await order(), ['ice', 'wood', 'gold']);
    const link = await page.evaluate("document.querySelector('tbody a').getAttribute('href')");
    assert.is(link, 'ice/report.html');
    const scores = "[...document.querySelectorAll('tbody td:last-child')].map((td) => td.textContent)";
    assert.equal(await page.evaluate(scores), ['30.00', '20.00', '9.50']);
    assert.match(
      String(await page.evaluate("document.querySelector('.lead').textContent")),
      /^3 runs, one for each prompt · /,
    );
    assert.is(
      await page.evaluate("document.querySelector('.command').innerText.replace(/\\s+/g, ' ')"),
      `Repeat it Copy ${repeat.command} In /films.`,
    );
    assert.equal(await page.violations(), []);
    await takePictures(page, 'matrix');
  });
});

testUnless(test, noChromium, 'the page of a comparison shows a frame of each run', async () => {
  const splat = { path: 'splat.ply', bytes: 1, sha256: 'c'.repeat(64), stage: 'train', key: 'd'.repeat(64) };
  const files = [splat, { ...splat, path: 'turntable.mp4' }, { ...splat, path: 'old.txt', earlier: true }];
  const [a, b] = [await exampleRun(scratchFolder()), await exampleRun(scratchFolder(), { seed: 7, files })];
  const file = join(scratchFolder(), 'comparison.html');
  await writeComparison([a, b], file);
  await withPage(file, async (page) => {
    assert.is(await page.evaluate("document.querySelectorAll('.side-by-side img').length"), 2);
    assert.match(String(await page.evaluate('document.body.innerText')), '22.50');
    const rows = "[...document.querySelectorAll('#files tbody tr')].map((row) => row.innerText)";
    assert.equal(await page.evaluate(rows), ['splat.ply\t—\tcccccccccccc']);
    assert.equal(await page.violations(), []);
    await takePictures(page, 'comparison');
  });
});

test.run();
