import { resolve } from 'node:path';
import { PNG } from 'pngjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { heatMap, junitXml, reportPage, reportText, summary } from '../pipeline/golden/report.ts';
import {
  chain,
  changed,
  equalPair,
  farPair,
  HEIGHT,
  hash,
  otherTensors,
  report,
  same,
  WIDTH,
} from './golden/example.ts';

test('the summary names the first result that differs', () => {
  const tensors = chain.tensors.map((one, i) => (i === 0 ? one : { ...one, sha256: hash('9') }));
  const other = { ...same, tensors };
  assert.match(
    summary(report(other, [], 'bytes')),
    /2 of 7 .*tensor train\/means: bytes differ; required: equal/,
  );
  assert.match(
    reportText(report(other, [], 'tolerance')),
    /not judged on another adapter: 3 tensors, 1 turntable picture \(first that differs: train\/means\)/,
  );
});

test('the text lists failures first and counts unchanged results', () => {
  const text = reportText(report(otherTensors, [equalPair, farPair], 'bytes'));
  assert.is(text.match(/required: equal/g)?.length, 4);
  assert.ok(text.indexOf('golden frame view-a: max ') < text.indexOf('unchanged: '));
  assert.not.match(text, 'turntable-0000');
  assert.match(text, 'unchanged: 1 golden frame, 1 set of cameras, 1 turntable picture, 2 scores');
  const frames = Array.from({ length: 9 }, (_, i) => ({ name: `new-${i}`, sha256: hash('5') }));
  const many = reportText(report({ ...same, frames: [...chain.frames, ...frames] }, [], 'bytes'));
  assert.is(many.match(/turntable picture new-/g)?.length, 5);
  assert.match(many, '… and 4 turntable pictures more');
  assert.match(reportText(report(same, [], 'bytes')), /: all 7 as recorded$/);
});

test('JUnit has a case per row, counts that add up, and escaped text', () => {
  const xml = junitXml(report(otherTensors, [equalPair, farPair], 'bytes'), new Date(0));
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
  assert.match(xml, 'timestamp="1970-01-01T00:00:00"');
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

test('the page is self-contained and shows before, after and difference of every frame', () => {
  const checked = report(same, [equalPair, farPair], 'bytes');
  const page = reportPage({ report: checked, frames: [equalPair, farPair], chain: [equalPair] });
  const pictures = [...page.matchAll(/src="data:image\/png;base64,([^"]+)"/g)];
  assert.is(pictures.length, 9);
  const shown = pictures.map(([, data]) => PNG.sync.read(Buffer.from(data, 'base64')));
  assert.ok(shown.every(({ width, height }) => width === WIDTH && height === HEIGHT));
  assert.is((page.match(/(src|href)="(?!data:)/g) ?? []).length, 0);
  assert.match(page, 'class="FAIL"');
  assert.ok(page.indexOf('golden frame view-a') < page.indexOf('golden frame turntable-0000'));
});

test('the heat map is dark where pictures agree and bright where they differ', () => {
  const picture = { width: 4, height: 4, rgb: new Uint8Array(48).fill(100) };
  const heat = heatMap(picture, changed(picture, 7, 50));
  assert.is(heat.top, 50);
  assert.equal([...heat.rgb.slice(0, 6)], [0, 0, 0, 0, 0, 0]);
  assert.equal([...heat.rgb.slice(6, 9)], [255, 255, 255]);
  assert.is(heatMap(picture, changed(picture, 7, 1)).top, 8, 'a difference of rounding stays dark');
});

test.run();
