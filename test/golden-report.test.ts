import { resolve } from 'node:path';
import { PNG } from 'pngjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { buildIfStale } from '../pipeline/build.mjs';
import { goldenReport, junitXml, reportText, summary } from '../pipeline/golden/report.ts';
import { reportPage } from '../pipeline/report/write.ts';
import {
  chain,
  equalPair,
  farPair,
  HEIGHT,
  hash,
  otherTensors,
  report,
  same,
  WIDTH,
} from './golden/example.ts';
import { noChromium } from './helpers/chromium.ts';
import { colorAt, slideTo, takePictures, withPage } from './helpers/report-page.ts';
import { put, scratchFolder } from './helpers/scratch.ts';
import { testUnless } from './helpers/skip.ts';

test('the summary names the first result that differs', () => {
  const tensors = chain.tensors.map((one, i) => (i === 0 ? one : { ...one, sha256: hash('9') }));
  const other = { ...same, tensors };
  assert.match(
    summary(report(other, [], 'bytes')),
    /2 of 7 .*tensor train\/means: bytes differ; required: equal/,
  );
  assert.match(
    reportText(report(other, [], 'tolerance')),
    /not judged on another adapter: 4 tensors and turntable pictures/,
  );
});

test('the text says how results were judged and lists failures only, at most twenty', () => {
  const text = reportText(report(otherTensors, [equalPair, farPair], 'bytes'));
  assert.match(text, /^judged by bytes, as on the adapter that recorded$/m);
  assert.is(text.match(/required: equal/g)?.length, 4);
  assert.match(text, 'frame view-a: max ');
  assert.not.match(text, 'turntable-0000');
  const frames = Array.from({ length: 24 }, (_, i) => ({ name: `new-${i}`, sha256: hash('5') }));
  const many = reportText(report({ ...same, frames: [...chain.frames, ...frames] }, [], 'bytes'));
  assert.is(many.match(/turntable new-/g)?.length, 20);
  assert.match(many, '… and 4 more');
  assert.match(
    reportText(report(same, [], 'tolerance')),
    /^judged by tolerance, not by bytes: device was a, is b$/m,
  );
  assert.match(reportText(report(same, [], 'bytes')), /: all 7 as recorded$/);
});

test('JUnit has a case per row, counts that add up, and escaped text', () => {
  const xml = junitXml(report(otherTensors, [equalPair, farPair], 'bytes'));
  const head = [...xml.matchAll(/<testsuites? name="[^"]*" tests="(\d+)" failures="(\d+)" errors="0"/g)];
  assert.equal(
    head.map(([, tests, failed]) => [Number(tests), Number(failed)]),
    [
      [9, 4],
      [9, 4],
    ],
  );
  assert.is(xml.match(/<testcase /g)?.length, 9);
  assert.is(xml.match(/<failure message="[^"<]+" type="Regression">/g)?.length, 4);
  assert.match(xml, 'a &quot;b&quot; &amp; &lt;c&gt;.yaml');
  const elsewhere = junitXml(report(otherTensors, [equalPair], 'tolerance'));
  assert.is(elsewhere.match(/<skipped /g)?.length, 4, 'three tensors and a picture');
  for (const text of [xml, elsewhere]) assert.ok(isWellFormed(text));
});

/** Tags open and close in order. */
function isWellFormed(xml: string): boolean {
  const open: string[] = [];
  for (const [, close, name, rest] of xml.matchAll(/<(\/?)([a-z]+)([^>]*)>/g)) {
    if (close) {
      if (open.pop() !== name) return false;
    } else if (!rest.endsWith('/')) open.push(name);
  }
  return open.length === 0;
}

test('JUnit names are relative to the working directory', () => {
  const file = resolve('scenes/fox.yaml');
  const xml = junitXml({ ...report(same, [equalPair], 'bytes'), file });
  assert.match(xml, 'name="golden scenes/fox.yaml"');
  assert.match(xml, 'classname="golden.scenes/fox.frame"');
  assert.not.match(xml, process.cwd());
});

const differing = { ...report(same, [equalPair, farPair], 'bytes'), frames: [equalPair, farPair] };

test('the page is self-contained and has the pictures of every frame', async () => {
  await buildIfStale();
  const page = await reportPage(goldenReport(differing));
  const pictures = [...page.matchAll(/"src":"data:image\/png;base64,([^"]+)"/g)];
  assert.is(pictures.length, 8);
  const shown = pictures.map(([, data]) => PNG.sync.read(Buffer.from(data, 'base64')));
  assert.ok(shown.every(({ width, height }) => width === WIDTH && height === HEIGHT));
  assert.is((page.match(/(src|href)="(?!data:|#)/g) ?? []).length, 0);
  assert.match(page, 'frame view-a: max ');
  assert.not.match(page, '<c>', 'text cannot become HTML');
});

testUnless(test, noChromium, 'the page shows the largest difference first, under a slider', async () => {
  const file = put(scratchFolder(), 'golden.html', await reportPage(goldenReport(differing)));
  await withPage(file, async (page) => {
    const texts = (selector: string) =>
      page.evaluate(`[...document.querySelectorAll('${selector}')].map((one) => one.textContent)`);
    assert.equal(await texts('.view h3'), ['view-a', 'turntable-0000']);
    assert.is(await page.evaluate("document.querySelectorAll('.view img').length"), 8);
    assert.match(String(await texts('.verdict')), 'frame view-a: max ');
    const place = [0.3, 0.4];
    await slideTo(page, 100);
    const recorded = await colorAt(page, '.compare .stage', place);
    await slideTo(page, 0);
    assert.not.equal(await colorAt(page, '.compare .stage', place), recorded);
    assert.equal(await page.violations(), []);
    await takePictures(page, 'golden');
  });
});

test.run();
