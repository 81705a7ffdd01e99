import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { random4 } from '../wgsl/core/index.ts';
import { FromRgba8 } from '../wgsl/image/from-rgba8.ts';
import { ToRgba8 } from '../wgsl/image/to-rgba8.ts';
import { withGpu } from './helpers/gpu.ts';
import { fromRgba8, toRgba8 } from './reference/rgba8.ts';

const PIXELS = 1003; // not a multiple of the workgroup

/** −0.25 … 1.25, so that both clamps are met; values within 1e-5 of a tie are moved off it. */
const picture = Float32Array.from({ length: 4 * PIXELS }, (_, i) => {
  const value = random4(3, 'noise', 0, i)[0] * 1.5 - 0.25;
  const part = (value * 255 + 0.5) % 1;
  return Math.abs(part) < 1e-3 ? value + 1e-5 : value;
});

test('rounds half up and clamps', () =>
  withGpu(async (gpu, arena) => {
    const from = arena.upload('picture', picture, 'test');
    const to = arena.buffer('rgba8', 4 * PIXELS);
    const kernel = await ToRgba8.create(gpu, PIXELS);
    gpu.run('test', (recorder) => kernel.record(recorder, kernel.bind(from, to)));
    const expected = toRgba8(picture);
    assert.equal(await gpu.readWords(to, 'test', PIXELS), expected);
    assert.ok(new Set(expected).size > 900);
    assert.equal(toRgba8([0.5 / 255, 1.5 / 255, -1, 2])[0] >>> 0, 0xff000201);
  }));

test('a finished picture is unchanged by a round trip', () =>
  withGpu(async (gpu, arena) => {
    const words = Uint32Array.from({ length: PIXELS }, (_, i) => Math.imul(i + 1, 0x9e3779b1) >>> 0);
    const rgba8 = arena.upload('rgba8', words, 'test');
    const floats = arena.buffer('picture', 16 * PIXELS);
    const again = arena.buffer('again', 4 * PIXELS);
    const out = await FromRgba8.create(gpu, PIXELS);
    const back = await ToRgba8.create(gpu, PIXELS);
    gpu.run('test', (recorder) => {
      out.record(recorder, out.bind(rgba8, floats));
      back.record(recorder, back.bind(floats, again));
    });
    const expected = fromRgba8(words);
    const got = await gpu.readFloats(floats, 'test', 4 * PIXELS);
    assert.ok(got.every((value, i) => Math.abs(value - expected[i]) < 1e-7));
    assert.equal(await gpu.readWords(again, 'test', PIXELS), words);
  }));

test.run();
