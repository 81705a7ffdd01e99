import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { PNG } from 'pngjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkGolden } from '../pipeline/golden/check.ts';
import { DEFAULT_TOLERANCE, type Golden, goldenFolder, readGolden } from '../pipeline/golden/format.ts';
import {
  adapterDifferences,
  chainRows,
  frameRow,
  MARGIN_FACTOR,
  scoreBounds,
  tooNarrow,
} from '../pipeline/golden/judge.ts';
import {
  compare,
  decodePicture,
  encodePicture,
  type Picture,
  pictureHash,
  worst,
} from '../pipeline/golden/picture.ts';
import { chooseCameras, evenly } from '../pipeline/golden/record.ts';
import {
  type FramePair,
  failures,
  heatMap,
  junitXml,
  type Report,
  reportPage,
  reportText,
  summary,
} from '../pipeline/golden/report.ts';
import { random4 } from '../wgsl/core/index.ts';
import { ROOT } from './golden/bench.ts';
import { FAULTS } from './golden/faults.ts';
import { put, scratchFolder } from './helpers/scratch.ts';
import { throwsInput } from './helpers/throws.ts';
import { ssim } from './reference/ssim.ts';

const WIDTH = 24;
const HEIGHT = 17;

function noise(seed: number): Picture {
  const rgb = Uint8Array.from({ length: 3 * WIDTH * HEIGHT }, (_, i) =>
    Math.floor(256 * random4(seed, 'init', 0, i)[0]),
  );
  return { width: WIDTH, height: HEIGHT, rgb };
}

/** `of` with one channel moved. */
function changed(of: Picture, at: number, by: number): Picture {
  const rgb = of.rgb.slice();
  rgb[at] += by;
  return { ...of, rgb };
}

const asReference = ({ width, height, rgb }: Picture) => ({
  width,
  height,
  channels: 3,
  data: Array.from(rgb, (level) => level / 255),
});

test('compare: maximum, mean and SSIM, the last as the plain reference has it', () => {
  const [a, b] = [noise(1), noise(2)];
  const { max, mean, ssim: similarity } = compare(a, b);
  const distances = Array.from(a.rgb, (level, i) => Math.abs(level - b.rgb[i]));
  assert.is(max, Math.max(...distances));
  assert.ok(Math.abs(mean - distances.reduce((sum, one) => sum + one, 0) / distances.length) < 1e-6);
  const reference = ssim(asReference(a), asReference(b), 'valid').mean;
  assert.ok(Math.abs(similarity - reference) < 1e-6, `${similarity}, the reference says ${reference}`);
  assert.equal(compare(a, a), { max: 0, mean: 0, ssim: 1 });
  assert.throws(() => compare(a, { ...b, width: HEIGHT, height: WIDTH }), /24×17 and 17×24/);
});

test('worst takes each number’s own worst', () => {
  const both = worst([
    { max: 3, mean: 0.1, ssim: 0.999 },
    { max: 1, mean: 0.4, ssim: 0.998 },
  ]);
  assert.equal(both, { max: 3, mean: 0.4, ssim: 0.998 });
});

test('a picture survives PNG, and its hash is of pixels and size', () => {
  const picture = noise(3);
  const again = decodePicture(encodePicture(picture));
  assert.equal(again, picture);
  assert.is(pictureHash(again), pictureHash(picture));
  assert.is.not(pictureHash(changed(picture, 5, 1)), pictureHash(picture));
  assert.is.not(pictureHash({ ...picture, width: HEIGHT, height: WIDTH }), pictureHash(picture));
});

test('the heat map is dark where pictures agree and bright where they do not', () => {
  const picture = { width: 4, height: 4, rgb: new Uint8Array(48).fill(100) };
  const heat = heatMap(picture, changed(picture, 7, 50));
  assert.is(heat.top, 50);
  assert.equal([...heat.rgb.slice(0, 6)], [0, 0, 0, 0, 0, 0]);
  assert.equal([...heat.rgb.slice(6, 9)], [255, 255, 255]);
  assert.is(heatMap(picture, changed(picture, 7, 1)).top, 8, 'rounding does not glow');
});

const adapter = {
  vendor: 'mesa',
  architecture: 'llvm',
  device: 'llvmpipe',
  description: 'Mesa 25.0.7',
  cpu: 'Some CPU',
  features: ['subgroups', 'shader-f16'],
  subgroupMinSize: 8,
  subgroupMaxSize: 8,
  software: true,
};

test('an adapter is another one by each of its properties', () => {
  assert.equal(adapterDifferences(adapter, { ...adapter, features: ['shader-f16', 'subgroups'] }), []);
  const others = {
    vendor: 'nvidia',
    architecture: 'x',
    device: 'H200',
    description: 'Mesa 26',
    cpu: 'Other CPU',
    features: ['subgroups'],
    subgroupMinSize: 4,
    subgroupMaxSize: 32,
    software: false,
  };
  for (const [key, value] of Object.entries(others)) {
    const [text, ...more] = adapterDifferences(adapter, { ...adapter, [key]: value });
    assert.match(text, new RegExp(`^${key} .* → `));
    assert.equal(more, []);
  }
  assert.equal(adapterDifferences({ ...adapter, cpu: undefined }, adapter), ['cpu not set → "Some CPU"']);
});

test('cameras are chosen evenly, scaled to the size, and each has a name of its own', () => {
  assert.equal(evenly([0, 1, 2, 3, 4, 5, 6, 7, 8], 3), [0, 3, 6]);
  assert.equal(evenly([1, 2], 5), [1, 2]);
  const camera = { width: 400, height: 200, fx: 300, fy: 300, cx: 200, cy: 100, viewmat: Array(16).fill(0) };
  const named = (name: string) => ({ name, camera });
  const turntable = ['t0', 't1', 't2', 't3', 't4', 't5'].map(named);
  const chosen = chooseCameras([turntable, ['v', 'v', 'w'].map(named)], 6, 100);
  assert.equal(
    chosen.map(({ name }) => name),
    ['t0', 't1', 't3', 't4', 'v', 'v-5'],
  );
  assert.equal(chosen[0].camera, { ...camera, width: 100, height: 50, fx: 75, fy: 75, cx: 50, cy: 25 });
  const few = chooseCameras([[named('t')], ['a', 'b', 'c'].map(named)], 3, 500);
  assert.equal(
    few.map(({ name }) => name),
    ['t', 'a', 'b'],
  );
  assert.is(few[0].camera.width, 400, 'nothing is made larger');
});

test('a tolerance is at least the factor times the measured margin', () => {
  assert.equal(tooNarrow(DEFAULT_TOLERANCE, { max: 1, mean: 0.0001, ssim: 1 }), []);
  const margin = { max: DEFAULT_TOLERANCE.max, mean: DEFAULT_TOLERANCE.mean, ssim: DEFAULT_TOLERANCE.ssim };
  const named = tooNarrow(DEFAULT_TOLERANCE, margin);
  assert.equal(
    named.map((one) => one.split(' ')[0]),
    ['--max', '--mean', '--ssim'],
  );
  assert.is(named[0], `--max ${MARGIN_FACTOR * margin.max}`);
});

const psnr = { name: 'psnr', value: 30, unit: 'dB', over: '7 held-out views' };
const likeness = { name: 'ssim', value: 0.9, unit: '1', over: '7 held-out views' };

test('bounds of scores follow the spread of other seeds, and have a floor', () => {
  const bounds = scoreBounds(
    [psnr, likeness],
    [[{ ...psnr, value: 29.5 }], [{ ...psnr, value: 30.1 }, likeness]],
  );
  assert.equal(
    bounds.map(({ bound, spread }) => ({ bound, spread })),
    [
      { bound: 1.5, spread: 0.5 },
      { bound: 0.045, spread: 0 },
    ],
  );
});

const hash = (digit: string) => digit.repeat(64);
const camera = { width: 24, height: 17, fx: 20, fy: 20, cx: 12, cy: 8, viewmat: Array(16).fill(0.5) };
const chain: Golden['chain'] = {
  tensors: [
    { stage: 'init', tensor: 'means', sha256: hash('1') },
    { stage: 'train', tensor: 'means', sha256: hash('2') },
    { stage: 'train', tensor: 'sh', sha256: hash('3') },
  ],
  frames: [{ name: '0000', sha256: hash('4') }],
  cameras: [{ name: '0000', camera }],
  scores: scoreBounds([psnr, likeness], []),
  seeds: [],
};
const same = {
  splat: { stage: 'train', file: '' },
  tensors: chain.tensors,
  frames: chain.frames,
  cameras: [{ name: '0000', camera }],
  scores: [psnr, likeness],
};

function report(now: typeof same, pairs: FramePair[], mode: Report['mode']): Report {
  return {
    file: 'a "b" & <c>.yaml',
    mode,
    because: mode === 'bytes' ? [] : ['device was a, is b'],
    notes: [],
    adapter: { recorded: 'a', now: 'a' },
    rows: [...pairs.map((pair) => frameRow(pair, DEFAULT_TOLERANCE)), ...chainRows(chain, now)],
    seconds: 1.5,
  };
}

const golden = noise(1);
const equalPair = { name: 'turntable-0000', before: golden, after: golden };
const almostPair = {
  name: 'turntable-0001',
  before: golden,
  after: changed(golden, 100, golden.rgb[100] > 9 ? -1 : 1),
};
const farPair = { name: 'view-a', before: golden, after: noise(2) };

test('what is equal passes either way', () => {
  for (const mode of ['bytes', 'tolerance'] as const)
    assert.equal(failures(report(same, [equalPair], mode)), []);
});

test('one level in one pixel fails by bytes and passes by tolerance', () => {
  assert.equal(
    failures(report(same, [almostPair], 'bytes')).map(({ name }) => name),
    ['turntable-0001'],
  );
  assert.equal(failures(report(same, [almostPair], 'tolerance')), []);
});

test('each of the three numbers of a tolerance can fail a frame', () => {
  const exactly = { ...compare(golden, farPair.after) };
  assert.ok(frameRow(farPair, exactly).within);
  for (const stricter of [
    { max: exactly.max - 1 },
    { mean: exactly.mean - 0.1 },
    { ssim: exactly.ssim + 0.01 },
  ])
    assert.not(frameRow(farPair, { ...exactly, ...stricter }).within);
});

test('by bytes, the first tensor that differs is named; elsewhere tensors are not judged', () => {
  const tensors = chain.tensors.map((one, i) => (i === 0 ? one : { ...one, sha256: hash('9') }));
  const other = { ...same, tensors };
  assert.match(
    summary(report(other, [], 'bytes')),
    /2 of 7 .*tensor train\/means: bytes differ; required: equal/,
  );
  assert.equal(failures(report(other, [], 'tolerance')), []);
  assert.match(
    reportText(report(other, [], 'tolerance')),
    /not judged on another adapter: 3 tensors, 1 turntable picture \(first that differs: train\/means\)/,
  );
});

test('a tensor, a picture or a score that is gone or new is a regression', () => {
  const names = (now: typeof same, mode: Report['mode']) =>
    failures(report(now, [], mode)).map(({ name }) => name);
  assert.equal(names({ ...same, tensors: chain.tensors.slice(1) }, 'bytes'), ['init/means']);
  assert.equal(names({ ...same, frames: [...chain.frames, { name: '0001', sha256: hash('5') }] }, 'bytes'), [
    '0001',
  ]);
  assert.equal(names({ ...same, scores: [psnr] }, 'tolerance'), ['ssim']);
  assert.equal(names({ ...same, scores: [psnr, likeness, { ...psnr, name: 'clip' }] }, 'tolerance'), [
    'clip',
  ]);
});

test('elsewhere a score may move within its bound, either way; by bytes not at all', () => {
  const at = (value: number, mode: Report['mode']) =>
    failures(report({ ...same, scores: [{ ...psnr, value }, likeness] }, [], mode)).length;
  assert.equal(
    [29.4, 29.6, 30.4, 30.6].map((value) => at(value, 'tolerance')),
    [1, 0, 0, 1],
  );
  assert.is(at(30.000001, 'bytes'), 1);
});

test('elsewhere cameras must agree but for rounding', () => {
  const at = (fx: number) =>
    failures(report({ ...same, cameras: [{ name: '0000', camera: { ...camera, fx } }] }, [], 'tolerance'))
      .length;
  assert.equal([20.000001, 20.01].map(at), [0, 1]);
});

test('the text lists failures and counts what is unchanged', () => {
  const other = { ...same, tensors: chain.tensors.map((one) => ({ ...one, sha256: hash('9') })) };
  const text = reportText(report(other, [equalPair, farPair], 'bytes'));
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

test('JUnit: a case per row, counts that add up, and escaped text', () => {
  const other = { ...same, tensors: chain.tensors.map((one) => ({ ...one, sha256: hash('9') })) };
  const xml = junitXml(report(other, [equalPair, farPair], 'bytes'), new Date(0));
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
  const elsewhere = junitXml(report(other, [equalPair], 'tolerance'));
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

test('the page stands alone and shows before, after and difference of every frame', () => {
  const checked = report(same, [equalPair, farPair], 'bytes');
  const page = reportPage({ report: checked, frames: [equalPair, farPair], chain: [equalPair] });
  const pictures = [...page.matchAll(/src="data:image\/png;base64,([^"]+)"/g)];
  assert.is(pictures.length, 9);
  const shown = pictures.map(([, data]) => PNG.sync.read(Buffer.from(data, 'base64')));
  assert.ok(shown.every(({ width, height }) => width === WIDTH && height === HEIGHT));
  assert.is((page.match(/(src|href)="(?!data:)/g) ?? []).length, 0);
  assert.match(page, 'class="FAIL"');
});

/** A recording of a pipeline with options `before`; its file has the options `after`. */
function edited(before: string, after: string, set: string[] = []): string {
  const folder = scratchFolder();
  const text = (train: string) => `stages:
  - load: { colmap: ${JSON.stringify(resolve('scenes/playbot'))} }
  - init: { from: points }
${train}`;
  const file = put(folder, 'fox.yaml', text(after));
  const splat = new Uint8Array(8);
  const json: Golden = {
    format: 'splatline golden 1',
    name: 'fox',
    seed: 42,
    set,
    cwd: '.',
    versions: { splatline: '0.1.0', node: process.version, webgpu: '0' },
    adapter,
    splat: {
      stage: 'init',
      count: 1,
      shDegree: 0,
      bytes: 8,
      sha256: createHash('sha256').update(splat).digest('hex'),
    },
    background: [0, 0, 0],
    frames: [{ name: 'view-a', sha256: pictureHash(golden), camera }],
    tolerance: DEFAULT_TOLERANCE,
    margin: { factor: MARGIN_FACTOR, worst: { max: 0, mean: 0, ssim: 1 }, renders: [] },
    chain,
  };
  put(folder, 'fox.golden/golden.json', JSON.stringify(json));
  put(folder, 'fox.golden/pipeline.yaml', text(before));
  put(folder, 'fox.golden/splat.safetensors', splat);
  put(folder, 'fox.golden/frames/view-a.png', encodePicture(golden));
  return file;
}

test('an edited pipeline file is the only verdict, and nothing runs', async () => {
  const train = (options: string) => `  - train: { ${options} }\n`;
  const sentences = [
    [train('steps: 20'), train('steps: 22'), 'train.steps 20 → 22'],
    [train('steps: 20'), `${train('steps: 20')}seed: 7\n`, 'seed 42 → 7'],
    [train('steps: 20'), train('steps: 20, rates: { means: 0.001 }'), 'train.rates.means '],
    [train('steps: 20'), '', 'stages ["load","init","train"] → ["load","init"]'],
  ];
  for (const [before, after, expected] of sentences) {
    const file = edited(before, after);
    const checked = await checkGolden(file);
    assert.is(failures(checked.report).length, 1);
    const text = summary(checked.report);
    assert.ok(text.startsWith(`${file}: the file changed: `), text);
    assert.match(text, expected);
    assert.match(text, /; record again if that is meant$/);
    assert.ok(reportText(checked.report).includes(expected));
    assert.match(junitXml(checked.report), /tests="1" failures="1"/);
    assert.match(reportPage(checked), 'the file changed');
  }
});

test('comments, defaults and options that --set overrides are no change of the file', async () => {
  // The recorded splat of this test is no splat: the check gets past the file, and stops there.
  for (const [before, after, set] of [
    ['  - train: { steps: 20 }\n', '  # twenty\n  - train: { steps: 20, start: strategy }\n', []],
    ['  - train: { steps: 20 }\n', '  - train: { steps: 30 }\n', ['train.steps=10']],
    // An option of another version: the results decide.
    ['  - train: { stepps: 20 }\n', '  - train: { steps: 20 }\n', []],
  ] as const)
    await throwsInput(() => checkGolden(edited(before, after, [...set])), 'is not a saved splat');
});

test('each fault of golden-faults.test.ts names one place in the sources', () => {
  for (const { name, file, from } of FAULTS)
    assert.is(readFileSync(join(ROOT, file), 'utf8').split(from).length - 1, 1, name);
});

test('without a recording, check says how to record; a damaged one is an error', async () => {
  const folder = scratchFolder();
  const file = put(folder, 'fox.yaml', '');
  await throwsInput(() => readGolden(file), /no golden renders were recorded/, `golden record ${file}`);
  assert.is(goldenFolder(file), `${folder}/fox.golden`);
  const json = put(folder, 'fox.golden/golden.json', '{"format":"splatline golden 1"}');
  await throwsInput(() => readGolden(file), json, /name/);
  assert.is(readFileSync(json, 'utf8').length, 31, 'and unchanged');
});

test.run();
