import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { areaResize } from '../stages/load/area-resize.ts';
import type { Gpu } from '../wgsl/core/index.ts';
import { AreaResizer } from '../wgsl/image/area-resize.ts';
import { withGpu } from './helpers/gpu.ts';
import { mixed } from './helpers/numbers.ts';
import { areaMean } from './reference/area-resize.ts';

async function onGpu(gpu: Gpu, rgba: Uint8Array, from: [number, number], to: [number, number]) {
  const resizer = await AreaResizer.create(gpu);
  const input = gpu.upload('from', rgba, 'test');
  const rgba8 = gpu.buffer('to', 4 * to[0] * to[1]);
  resizer.run({ rgba8: input, width: from[0], height: from[1] }, { rgba8, width: to[0], height: to[1] });
  const bytes = new Uint8Array(await gpu.read(rgba8, 'test', 4 * to[0] * to[1]));
  for (const buffer of [input, rgba8]) buffer.destroy();
  return bytes;
}

test('noise matches the reference to the rounding, and by powers of two the bytes of the host', () =>
  withGpu(async (gpu) => {
    for (const [from, to] of [
      [
        [64, 48],
        [32, 24],
      ], // exactly a half: many means end in .5
      [
        [64, 48],
        [16, 6],
      ],
      [
        [67, 43],
        [34, 22],
      ],
      [
        [67, 43],
        [61, 9],
      ],
      [
        [60, 36],
        [10, 6],
      ], // 1/36
      [
        [40, 30],
        [40, 30],
      ],
      [
        [31, 7],
        [1, 1],
      ],
    ] as [[number, number], [number, number]][]) {
      const rgba = Uint8Array.from(mixed(4 * from[0] * from[1], from[0] + to[1]), (word) => word & 255);
      const got = await onGpu(gpu, rgba, from, to);
      const expected = areaMean({ width: from[0], height: from[1], rgba }, ...to);
      for (const [i, value] of got.entries()) {
        assert.ok(Math.abs(value - expected[i]) < 0.5001, `${from} to ${to}: ${value}, mean ${expected[i]}`);
      }
      const onHost = areaResize(rgba, { width: from[0], height: from[1], channels: 4 }, ...to);
      if (to[0] === 32 || to[0] === 16) assert.equal([...got], [...onHost]);
    }
  }));

test('a picture is not enlarged', () =>
  withGpu(async (gpu) => {
    let message = '';
    await onGpu(gpu, new Uint8Array(16), [2, 2], [3, 2]).catch((error: Error) => (message = error.message));
    assert.match(message, 'does not enlarge 2 to 3');
  }));

test.run();
