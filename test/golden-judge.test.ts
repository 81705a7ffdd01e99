import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { changes, frameRow } from '../pipeline/golden/judge.ts';
import { compare } from '../pipeline/golden/picture.ts';
import { failures, type Report } from '../pipeline/golden/report.ts';
import {
  adapter,
  almostPair,
  camera,
  chain,
  equalPair,
  farPair,
  hash,
  likeness,
  otherTensors,
  psnr,
  report,
  same,
} from './golden/example.ts';

const failing = (...args: Parameters<typeof report>) => failures(report(...args)).map(({ name }) => name);

test('a difference in any property makes it another adapter', () => {
  assert.equal(changes(adapter, { ...adapter }), []);
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
    const [text, ...more] = changes(adapter, { ...adapter, [key]: value });
    assert.match(text, new RegExp(`^${key} .* → `));
    assert.equal(more, []);
  }
  assert.equal(changes({ ...adapter, cpu: undefined }, adapter), ['cpu not set → "Some CPU"']);
});

test('equal results pass in both modes', () => {
  for (const mode of ['bytes', 'tolerance'] as const) assert.equal(failing(same, [equalPair], mode), []);
});

test('one level in one pixel fails by bytes and passes by tolerance', () => {
  assert.equal(failing(same, [almostPair], 'bytes'), ['turntable-0001']);
  assert.equal(failing(same, [almostPair], 'tolerance'), []);
});

test('each of the three numbers of a tolerance can fail a frame', () => {
  const exactly = compare(farPair.before, farPair.after);
  assert.ok(frameRow(farPair, exactly).within);
  for (const stricter of [
    { max: exactly.max - 1 },
    { mean: exactly.mean - 0.1 },
    { ssim: exactly.ssim + 0.01 },
  ])
    assert.not(frameRow(farPair, { ...exactly, ...stricter }).within);
});

test('tensors are judged by bytes, and not at all on another adapter', () => {
  assert.equal(failing(otherTensors, [], 'bytes'), ['init/means', 'train/means', 'train/sh']);
  assert.equal(failing(otherTensors, [], 'tolerance'), []);
});

test('a missing or new tensor, picture or score is a regression', () => {
  assert.equal(failing({ ...same, tensors: chain.tensors.slice(1) }, [], 'bytes'), ['init/means']);
  const frames = [...chain.frames, { name: '0001', sha256: hash('5') }];
  assert.equal(failing({ ...same, frames }, [], 'bytes'), ['0001']);
  assert.equal(failing({ ...same, scores: [psnr] }, [], 'tolerance'), ['ssim']);
  const scores = [psnr, likeness, { ...psnr, name: 'clip' }];
  assert.equal(failing({ ...same, scores }, [], 'tolerance'), ['clip']);
});

test('on another adapter a score may differ within its bound, either way; by bytes not at all', () => {
  const at = (value: number, mode: Report['mode']) =>
    failing({ ...same, scores: [{ ...psnr, value }, likeness] }, [], mode).length;
  assert.equal(
    [29.4, 29.6, 30.4, 30.6].map((value) => at(value, 'tolerance')),
    [1, 0, 0, 1],
  );
  assert.is(at(30.000001, 'bytes'), 1);
});

test('on another adapter cameras must agree except for rounding', () => {
  const at = (fx: number) =>
    failing({ ...same, cameras: [{ name: '0000', camera: { ...camera, fx } }] }, [], 'tolerance').length;
  assert.equal([20.000001, 20.01].map(at), [0, 1]);
  assert.equal(failing({ ...same, cameras: [] }, [], 'tolerance'), ['of the turntable']);
});

test.run();
