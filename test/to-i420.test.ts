import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Arena, Gpu } from '../wgsl/core/index.ts';
import { i420Bytes, ToI420 } from '../wgsl/image/to-i420.ts';
import { withGpu } from './helpers/gpu.ts';
import { mixed } from './helpers/numbers.ts';
import { toI420 } from './reference/to-i420.ts';

async function convert(gpu: Gpu, arena: Arena, rgba: Uint8Array, width: number, height: number) {
  const bytes = i420Bytes(width, height);
  const kernel = await ToI420.create(gpu, width, height);
  const from = arena.upload('rgba8', rgba, 'test');
  const to = arena.buffer('planes', bytes);
  gpu.run('test', (recorder) => kernel.record(recorder, kernel.bind(from, to)));
  return new Uint8Array(await gpu.read(to, 'test', bytes));
}

// The last has planes that begin and end within a word.
for (const [width, height] of [
  [64, 36],
  [2, 2],
  [202, 58],
  [30, 6],
]) {
  test(`${width}×${height}: every byte is the rounded value, without alpha`, () =>
    withGpu(async (gpu, arena) => {
      const rgba = new Uint8Array(mixed(width * height, 21).buffer);
      const got = await convert(gpu, arena, rgba, width, height);
      const expected = toI420(rgba, width, height);
      assert.is(got.length, expected.length);
      let exact = 0;
      for (const [i, value] of expected.entries()) {
        // Half a code is rounding; the rest is what fixed point may miss.
        assert.ok(Math.abs(got[i] - value) <= 0.501, `byte ${i}: ${got[i]} instead of ${value}`);
        if (got[i] === Math.floor(value + 0.5)) exact++;
      }
      assert.ok(exact >= 0.999 * expected.length, `${exact} of ${expected.length} are rounded alike`);
      assert.ok(new Set(got).size > Math.min(150, got.length / 4), 'the bytes differ among themselves');
    }));
}

test('known colours become their BT.709 codes, and grey has no chroma', () =>
  withGpu(async (gpu, arena) => {
    const codes = (r: number, g: number, b: number) =>
      convert(gpu, arena, Uint8Array.from(Array(4).fill([r, g, b, 9]).flat()), 2, 2).then((bytes) => [
        ...bytes,
      ]);
    assert.equal(await codes(0, 0, 0), [16, 16, 16, 16, 128, 128]);
    assert.equal(await codes(255, 255, 255), [235, 235, 235, 235, 128, 128]);
    assert.equal(await codes(255, 0, 0), [63, 63, 63, 63, 102, 240]);
    assert.equal(await codes(0, 255, 0), [173, 173, 173, 173, 42, 26]);
    assert.equal(await codes(0, 0, 255), [32, 32, 32, 32, 240, 118]);
    for (const grey of [1, 100, 200, 254]) {
      assert.equal((await codes(grey, grey, grey)).slice(4), [128, 128]);
    }
  }));

test('odd sizes are refused', () =>
  withGpu(async (gpu) => {
    const error = await ToI420.create(gpu, 7, 4).then(
      () => new Error('it was made'),
      (error: Error) => error,
    );
    assert.match(error.message, /sizes must be even, got 7×4/);
  }));

test.run();
