import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import type { ServerResponse } from 'node:http';
import { dirname, join } from 'node:path';
import { Writable } from 'node:stream';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { buildIfStale } from '../pipeline/build.mjs';
import type { MatrixCell } from '../pipeline/report/data.ts';
import { kindOf, runsIn } from '../pipeline/report/run-list.ts';
import { type LiveEvent, LiveLog } from '../pipeline/run/live-log.ts';
import { lock } from '../pipeline/store/lock.ts';
import { Feed } from '../pipeline/view/feed.ts';
import { noChromium, Page } from './helpers/chromium.ts';
import { exampleRun, picture } from './helpers/example-run.ts';
import { takePictures } from './helpers/report-page.ts';
import { put, scratchFolder } from './helpers/scratch.ts';
import { testUnless } from './helpers/skip.ts';
import { get, serving } from './helpers/view-server.ts';

test.before(() => buildIfStale());

/** A run that this process pretends to run: it has the lock and writes events. */
async function pretendRun(folder: string) {
  mkdirSync(folder, { recursive: true });
  const held = await lock(join(folder, '.run.lock'));
  const log = new LiveLog();
  await log.open(folder, assert.unreachable);
  const add = (...events: LiveEvent[]) => events.forEach((event) => void log.add(event));
  const adapter = { description: 'An adapter', device: 'd', vendor: 'v', architecture: 'a' } as never;
  const stages = ['load', 'train', 'stylize'];
  add(
    { event: 'run', name: 'fox', out: folder, seed: 7, stages, adapter },
    { event: 'stage', stage: 'load', index: 0, count: 3 },
    { event: 'note', stage: 'load', text: '43 train and 7 test views <b>' },
    { event: 'done', stage: 'load', seconds: 0.5 },
    { event: 'stage', stage: 'train', index: 1, count: 3 },
  );
  return {
    add,
    /** A step of train with its metrics. */
    step(step: number) {
      const metrics = { loss: 1 / step, psnr: step / 10 };
      add(
        { event: 'metrics', stage: 'train', lines: [JSON.stringify({ step, ...metrics })] },
        { event: 'progress', stage: 'train', step, steps: step, metrics, perSecond: 20, secondsLeft: 3 },
      );
    },
    showPicture: async () => log.showPicture(await picture('#a04020')),
    async end() {
      await log.close();
      held.release();
    },
  };
}

/** A matrix whose cells run: this process pretends to. */
async function pretendMatrix(root: string) {
  const cell = (name: string) => ({
    name,
    values: { prompt: name },
    folder: name,
    status: 'running',
    scores: [],
  });
  const record = {
    ...{ format: 1, status: 'running', name: 'styles', command: 'npx splatline run p.yaml', cwd: '/films' },
    ...{ file: '/films/p.yaml', set: [], jobs: 1, seconds: 0 },
    axes: { prompt: ['ice', 'wood'] },
    cells: [cell('ice'), cell('wood')],
  };
  const save = () => put(root, 'matrix.json', JSON.stringify(record));
  save();
  const held = await lock(join(root, '.run.lock'));
  return { record, save, release: () => held.release() };
}

/** The messages of server-sent events. */
// biome-ignore lint/suspicious/noExplicitAny: JSON of the server
async function* eventsOf(response: Response): AsyncGenerator<{ event: string; data: any }> {
  let rest = '';
  const decoder = new TextDecoder();
  for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) {
    const blocks = (rest + decoder.decode(piece, { stream: true })).split('\n\n');
    rest = blocks.pop()!;
    for (const block of blocks) {
      const [, event, data] = /^event: (\w+)\ndata: (.*)$/.exec(block) ?? [];
      if (event) yield { event, data: JSON.parse(data) };
    }
  }
}

test('a matrix links to the pages of its cells, also of running ones, and a killed one is stopped', async () => {
  const root = join(scratchFolder(), 'styles');
  const matrix = await pretendMatrix(root);
  const ice = await pretendRun(join(root, 'ice'));
  await serving(join(root, 'matrix.json'), async (address) => {
    const { body } = await get(address, '/');
    assert.match(body, '"kind":"matrix"');
    assert.match(body, '"report":"ice/"');
    assert.match((await get(address, '/ice/')).body, '"kind":"live"');
    assert.is((await get(address, '/matrix.json')).status, 200);
    assert.is((await get(address, '/wood/')).status, 404);
    matrix.release();
    const after = (await get(address, '/')).body;
    assert.match(after, /"status":"stopped","seconds":0/);
    assert.not.match(after, '"status":"running"');
    assert.not.match(after, '"isFollowed":true');
  });
  assert.is((await runsIn(dirname(root)))[0].status, 'stopped');
  await ice.end();
  put(root, 'matrix.json', '{');
  const [{ kind, status }] = await runsIn(dirname(root));
  assert.equal([kind, status], ['matrix', 'unreadable']);
});

test('a running matrix sends its changes, with a picture of each running cell, and its end', async () => {
  const root = join(scratchFolder(), 'styles');
  const matrix = await pretendMatrix(root);
  const ice = await pretendRun(join(root, 'ice'));
  await serving(root, async (address) => {
    assert.match((await get(address, '/')).body, '"isFollowed":true');
    const messages = eventsOf(await fetch(`${address}.events`));
    const next = async () => (await messages.next()).value!.data;
    assert.equal(
      (await next()).cells.map(({ report, preview }: MatrixCell) => [report, preview]),
      [
        ['ice/', undefined],
        [undefined, undefined],
      ],
    );
    await ice.showPicture();
    const shown = await get(address, `/${(await next()).cells[0].preview}`);
    assert.equal([shown.status, shown.headers['content-type']], [200, 'image/webp']);
    put(root, 'matrix.json', '{');
    assert.match((await next()).error, /matrix\.json:1:2: is not JSON/);
    await ice.end();
    matrix.record.cells[0].status = 'done';
    matrix.save();
    const { cells, error } = await next();
    assert.equal([cells[0].status, cells[0].preview, error], ['done', undefined, undefined]);
    matrix.record.status = 'done';
    matrix.save();
    assert.is((await next()).status, 'done');
    assert.is((await messages.next()).value!.event, 'end');
  });
  matrix.release();
});

test('of a run and a matrix in one folder, the later one is shown', async () => {
  const root = await exampleRun(join(scratchFolder(), 'fox'));
  const matrix = await pretendMatrix(root);
  matrix.release();
  const at = (name: string, seconds: number) => utimesSync(join(root, name), seconds, seconds);
  at('run.json', 1);
  at('matrix.json', 2);
  assert.is(kindOf(root), 'matrix');
  at('run.json', 3);
  assert.is(kindOf(root), 'run');
});

test('a running run sends its changes, and its end', async () => {
  const root = join(scratchFolder(), 'fox');
  const run = await pretendRun(root);
  run.step(50);
  await serving(root, async (address) => {
    assert.match((await get(address, '/')).body, '"kind":"live"');
    const head = await get(address, '/.events', { method: 'HEAD' });
    assert.equal([head.status, head.headers['content-type']], [200, 'text/event-stream']);
    const response = await fetch(`${address}.events`);
    assert.is(response.headers.get('content-type'), 'text/event-stream');
    const messages = eventsOf(response);
    const first = (await messages.next()).value!;
    assert.equal(
      first.data.stages.map(({ id, state }: { id: string; state: string }) => [id, state]),
      [
        ['load', 'ran'],
        ['train', 'running'],
        ['stylize', 'waiting'],
      ],
    );
    assert.equal(first.data.curves[0].steps, [50]);
    run.step(100);
    const second = (await messages.next()).value!;
    assert.equal(second.data.curves[0].series[1], { name: 'psnr', values: [5, 10] });
    run.add({ event: 'warn', stage: 'train', text: 'slow' });
    const third = (await messages.next()).value!;
    assert.equal([third.data.notes.at(-1).text, third.data.curves], ['slow', undefined]);
    await run.showPicture();
    const { preview } = (await messages.next()).value!.data;
    const shown = await fetch(`${address}${preview}`);
    assert.equal([shown.status, shown.headers.get('content-type')], [200, 'image/webp']);
    await run.end();
    assert.is((await messages.next()).value!.event, 'end');
    assert.ok((await messages.next()).done);
    assert.is((await get(address, '/')).status, 404); // it left no result
  });
  assert.not.ok(existsSync(join(root, '.live')));
});

test('damaged files of a running run are notes on its page, which stays', async () => {
  const root = join(scratchFolder(), 'fox');
  const run = await pretendRun(root);
  run.step(50);
  put(root, 'stages/stylize/metrics.jsonl', '{"step":50,"loss":1}\n{"step":\n');
  const file = join(root, '.live/events.jsonl');
  await serving(root, async (address) => {
    const messages = eventsOf(await fetch(`${address}.events`));
    const next = async () => (await messages.next()).value!;
    await next();
    run.add({ event: 'cached', stage: 'stylize', key: 'k', seconds: 2 });
    const { event, data } = await next();
    assert.is(event, 'run');
    assert.equal(data.notes.at(-1), {
      ...{ stage: 'stylize', isWarning: true },
      text: 'its curves are not shown: stages/stylize/metrics.jsonl:2:9: is not JSON: the text ends early',
    });
    assert.is(data.stages[2].state, 'cached');
    run.step(100);
    const later = (await next()).data;
    assert.equal([later.curves.length, later.curves[0].steps], [1, [50, 100]]);
    appendFileSync(file, 'no JSON\n');
    const left = (await next()).data.notes.at(-1).text;
    assert.match(left, /^\.live\/events\.jsonl:\d+:\d+: is not JSON: unexpected "o"; the line is left out$/);
    // Members that the page cannot show.
    const progress = {
      event: 'progress',
      stage: 'train',
      step: 101,
      steps: 200,
      perSecond: 1,
      secondsLeft: 1,
    };
    appendFileSync(file, `${JSON.stringify({ ...progress, metrics: null })}\n`);
    assert.match((await next()).data.notes.at(-1).text, /^\.live\/events\.jsonl:\d+: metrics: /);
    // JSON has no NaN.
    appendFileSync(file, `${JSON.stringify({ ...progress, metrics: { loss: Number.NaN, psnr: 3 } })}\n`);
    assert.equal((await next()).data.stages[1].progress.metrics, { psnr: 3 });
    // The curves of a stage that is none.
    put(root, 'metrics.jsonl', '{"step":50,"loss":1}\n');
    appendFileSync(file, `${JSON.stringify({ event: 'cached', stage: '..', seconds: 1 })}\n`);
    assert.is((await next()).data.curves, undefined);
    // A file that cannot be read, and can be again.
    renameSync(file, `${file}.away`);
    mkdirSync(file);
    assert.match((await next()).data.error, /^The run continues\. Its events cannot be read: EISDIR/);
    rmdirSync(file);
    renameSync(`${file}.away`, file);
    assert.is((await next()).data.error, undefined);
    // A later run, in a file with the same inode.
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, text.replace(/"at":\d+/, '"at":1') + text);
    assert.is((await next()).event, 'end');
  });
  await run.end();
});

test('a page that reads nothing is disconnected, and then nothing looks at the run', async () => {
  const page = Object.assign(new Writable({ write() {} }), { writeHead() {} });
  let ended = false;
  const update = async () => ({ text: 'long '.repeat(2 ** 20) });
  const feed = new Feed({ report: {}, hasEnded: false, update }, () => void (ended = true));
  await feed.join(page as unknown as ServerResponse);
  await once(page, 'close');
  assert.ok(ended);
});

testUnless(test, noChromium, 'the page of a running run follows it, and becomes the report', async () => {
  const root = join(scratchFolder(), 'fox');
  const run = await pretendRun(root);
  for (let step = 50; step <= 400; step += 50) run.step(step);
  await serving(root, async (address) => {
    const page = await Page.open(address, { width: 1280, height: 900 });
    try {
      await page.until("document.querySelectorAll('.curve canvas').length === 2");
      assert.is(await page.evaluate("document.querySelector('h1').textContent"), 'train');
      await page.evaluate('window.isSamePage = true');
      const steps = "document.querySelector('.progress-line').textContent";
      assert.match(String(await page.evaluate(steps)), '400 of 400');
      run.step(450);
      await page.until(`${steps}.includes('450 of 450')`);
      await page.until("document.querySelectorAll('.curve output')[1].textContent === '45'");
      await run.showPicture();
      await page.until("document.querySelector('.preview').naturalWidth === 64");
      assert.is(await page.evaluate('window.isSamePage'), true);
      assert.is(await page.evaluate("document.querySelector('.notes b')"), null);
      assert.equal(await page.violations(), []);
      await takePictures(page, 'live');
      await page.until("document.querySelector('.curve canvas').clientWidth < 390");
      await exampleRun(root);
      await run.end();
      await page.until("!window.isSamePage && document.querySelector('.compare')");
      assert.equal(page.console, []);
      assert.equal(
        page.requests.filter((url) => !url.startsWith(address)),
        [],
      );
    } finally {
      await page.close();
    }
  });
});

testUnless(
  test,
  noChromium,
  'the page of a running matrix shows its cells, and becomes the report',
  async () => {
    const root = join(scratchFolder(), 'styles');
    const matrix = await pretendMatrix(root);
    const ice = await pretendRun(join(root, 'ice'));
    await serving(root, async (address) => {
      const page = await Page.open(address, { width: 1280, height: 900 });
      try {
        await page.until("document.querySelectorAll('tbody tr').length === 2");
        await page.evaluate('window.isSamePage = true');
        assert.is(await page.evaluate("document.getElementById('now').hidden"), true);
        await page.evaluate("document.querySelector('th button').click()");
        await page.evaluate("document.querySelector('th button').click()");
        await ice.showPicture();
        await page.until("document.querySelector('#now img')?.naturalWidth === 64");
        await takePictures(page, 'live-matrix');
        assert.equal(await page.violations(), []);
        await ice.end();
        Object.assign(matrix.record.cells[0], { status: 'done', seconds: 3 });
        matrix.save();
        await page.until(
          "document.getElementById('now').hidden && document.querySelectorAll('.pill.done').length === 1",
        );
        const first = "document.querySelector('tbody tr').textContent";
        assert.match(String(await page.evaluate(first)), /^wood/, 'still sorted, descending');
        assert.is(await page.evaluate('window.isSamePage'), true);
        put(root, 'matrix.json', '{');
        await page.until("document.querySelector('.problem').textContent.includes('is not JSON')");
        matrix.record.status = 'failed';
        matrix.save();
        await page.until("!window.isSamePage && document.querySelector('.pill.failed')");
        assert.equal(page.console, []);
      } finally {
        await page.close();
      }
    });
    matrix.release();
  },
);

test.run();
