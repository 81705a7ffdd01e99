import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Arena, Gpu } from '../wgsl/core/index.ts';
import { type LossOptions, PhotometricLoss } from '../wgsl/image/photometric.ts';
import { PhotometricMetrics, psnr } from '../wgsl/image/photometric-metrics.ts';
import { ssimTaps } from '../wgsl/image/ssim-window.ts';
import { withGpu } from './helpers/gpu.ts';
import { mixed, uniform } from './helpers/numbers.ts';
import { photometric } from './reference/photometric.ts';
import type { Picture } from './reference/ssim.ts';

/** A smooth render that leaves [0, 1], with noise on it, and a photograph near it, f32 [H, W, 4] and rgba8 [H, W]. */
function pictures(width: number, height: number): { render: Float32Array; photo: Uint32Array } {
  const noise = uniform(4 * width * height, width, -0.2, 0.2);
  const render = noise.map((value, i) => 0.5 + 0.6 * Math.sin(i / 4 / width + (i % 4)) + value);
  const jitter = mixed(3 * width * height, height);
  const photo = Uint32Array.from({ length: width * height }, (_, pixel) => {
    const byte = (c: number) => {
      const value = 255 * render[4 * pixel + c] + (jitter[3 * pixel + c] % 41) - 20;
      return Math.round(Math.min(255, Math.max(0, value)));
    };
    return (byte(0) | (byte(1) << 8) | (byte(2) << 16) | (255 << 24)) >>> 0;
  });
  return { render, photo };
}

function asPicture(width: number, height: number, at: (pixel: number, channel: number) => number): Picture {
  const data = Float64Array.from({ length: 3 * width * height }, (_, i) => at(Math.floor(i / 3), i % 3));
  return { width, height, channels: 3, data };
}

async function run(
  gpu: Gpu,
  arena: Arena,
  { render, photo }: { render: Float32Array; photo: Uint32Array },
  size: { width: number; height: number },
  options: Pick<LossOptions, 'dssimWeight' | 'padding' | 'target' | 'alpha'>,
  // Larger than the picture, so that strides and capacities differ.
  largest = { width: size.width + 7, height: size.height },
) {
  const pixels = largest.width * largest.height;
  const buffers = {
    render: arena.buffer('render', 16 * pixels),
    gradient: arena.upload('gradient', new Float32Array(4 * pixels).fill(77), 'test'),
    metrics: arena.upload('metrics', new Float32Array(6).fill(77), 'test'),
  };
  gpu.write(buffers.render, render, 'test');
  const loss = await PhotometricLoss.create(gpu, arena, {
    label: 'loss',
    ...largest,
    ...buffers,
    ...options,
  });
  const bound = loss.bindPhoto(arena.upload('photo', photo, 'test'), size);
  gpu.run('test', (recorder) => loss.record(recorder, bound));
  return {
    gradient: await gpu.readFloats(buffers.gradient, 'test'),
    metrics: await gpu.readFloats(buffers.metrics, 'test'),
  };
}

const cases: ({ width: number; height: number } & Pick<LossOptions, 'dssimWeight' | 'padding' | 'target'>)[] =
  [
    { width: 37, height: 29, dssimWeight: 0.2, padding: 'valid' },
    { width: 11, height: 11, dssimWeight: 1, padding: 'valid' },
    { width: 48, height: 16, dssimWeight: 0.5, padding: 'same' },
    { width: 3, height: 5, dssimWeight: 0.5, padding: 'same' },
    { width: 37, height: 29, dssimWeight: 0, padding: 'valid' },
    { width: 1, height: 1, dssimWeight: 0, padding: 'valid' },
    // Several tiles each way, and the window's border in every place of a run of four.
    { width: 117, height: 26, dssimWeight: 0.2, padding: 'valid', target: 'portable' },
    { width: 118, height: 37, dssimWeight: 0.2, padding: 'valid', target: 'cpu' },
  ];
for (const { width, height, dssimWeight, padding, target } of cases) {
  test(`photometric loss of ${width}×${height}, λ ${dssimWeight}, ${padding}, ${target ?? 'the target of the device'}`, () =>
    withGpu(async (gpu, arena) => {
      const { render, photo } = pictures(width, height);
      const expected = photometric(
        asPicture(width, height, (pixel, c) => render[4 * pixel + c]),
        asPicture(width, height, (pixel, c) => ((photo[pixel] >>> (8 * c)) & 255) / 255),
        dssimWeight,
        padding,
      );
      const { gradient, metrics } = await run(
        gpu,
        arena,
        { render, photo },
        { width, height },
        { dssimWeight, padding, target },
      );
      const close = (name: 'l1' | 'ssim' | 'mse' | 'loss', i: number) =>
        assert.ok(
          Math.abs(metrics[i] - expected[name]) < 2e-6,
          `${name}: ${metrics[i]}, expected ${expected[name]}`,
        );
      close('l1', 0);
      close('ssim', 1);
      close('mse', 2);
      close('loss', 3);
      let [norm, error] = [0, 0];
      for (let pixel = 0; pixel < width * height; pixel++) {
        for (let c = 0; c < 3; c++) {
          const wanted = expected.gradient[3 * pixel + c];
          norm += wanted ** 2;
          error += (gradient[4 * pixel + c] - wanted) ** 2;
        }
        assert.is(gradient[4 * pixel + 3], 0, 'alpha has no gradient');
      }
      assert.ok(norm > 0);
      assert.ok(Math.sqrt(error / norm) < 1e-4, `gradient off by ${Math.sqrt(error / norm)}`);
      assert.is(gradient[4 * width * height], 77, 'nothing is written beyond the picture');
    }));
}

test('the gradient agrees with finite differences of the loss', () =>
  withGpu(async (gpu, arena) => {
    const size = { width: 19, height: 17 };
    const { render, photo } = pictures(size.width, size.height);
    const options = { dssimWeight: 0.7 } as const;
    const { gradient } = await run(gpu, arena, { render, photo }, size, options);
    for (const [x, y, c] of [
      [0, 0, 0],
      [9, 8, 1],
      [18, 16, 2],
      [5, 12, 0],
    ]) {
      const at = 4 * (y * size.width + x) + c;
      const step = 0.01;
      const losses: number[] = [];
      for (const side of [-1, 1]) {
        const moved = render.slice();
        moved[at] += side * step;
        const { metrics } = await run(gpu, arena, { render: moved, photo }, size, options);
        losses.push(metrics[3]);
      }
      const numeric = (losses[1] - losses[0]) / (2 * step);
      assert.ok(
        Math.abs(numeric - gradient[at]) < 3e-5,
        `at ${x},${y},${c}: ${gradient[at]}, finite difference ${numeric}`,
      );
    }
  }));

test('SSIM keeps its digits where the pictures are flat', () =>
  withGpu(async (gpu, arena) => {
    const size = { width: 40, height: 24 };
    const pixels = size.width * size.height;
    const pictures = {
      render: new Float32Array(4 * pixels).fill(0.93),
      photo: new Uint32Array(pixels).fill(0xffffffff),
    };
    const flat = (value: number) => asPicture(size.width, size.height, () => Math.fround(value));
    const expected = photometric(flat(0.93), flat(1), 1);
    const { metrics } = await run(gpu, arena, pictures, size, { dssimWeight: 1 });
    assert.ok(Math.abs(metrics[1] - expected.ssim) < 1e-6, `${metrics[1]}, expected ${expected.ssim}`);
  }));

function sameFloats(a: Float32Array, b: Float32Array): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}

/** Masks an ellipse, a border of two columns and single pixels; gives what lies there the colour of `under`. */
function masked(photo: Uint32Array, { width, height }: { width: number; height: number }, under: number) {
  return photo.map((word, pixel) => {
    const [x, y] = [pixel % width, Math.floor(pixel / width)];
    const inside = ((x - width / 2) / 14) ** 2 + ((y - height / 3) / 6) ** 2 < 1;
    return inside || x >= width - 2 || pixel === 30 * width + 40 ? under & 0xffffff : word;
  });
}

for (const { dssimWeight, padding, target } of [
  { dssimWeight: 0.2, padding: 'valid', target: 'portable' },
  { dssimWeight: 0.2, padding: 'valid', target: 'cpu' },
  { dssimWeight: 0.7, padding: 'same', target: 'portable' },
  { dssimWeight: 0.7, padding: 'same', target: 'cpu' },
  { dssimWeight: 0, padding: 'valid', target: undefined },
] as const) {
  test(`masked pixels add neither loss nor gradient: λ ${dssimWeight}, ${padding}, ${target ?? 'L1'}`, () =>
    withGpu(async (gpu, arena) => {
      const size = { width: 118, height: 37 };
      const { render, photo: whole } = pictures(size.width, size.height);
      const photo = masked(whole, size, 0);
      const isMasked = (pixel: number) => photo[pixel] >>> 24 === 0;
      const expected = photometric(
        asPicture(size.width, size.height, (pixel, c) => render[4 * pixel + c]),
        asPicture(size.width, size.height, (pixel, c) => ((photo[pixel] >>> (8 * c)) & 255) / 255),
        dssimWeight,
        padding,
        isMasked,
      );
      const options = { dssimWeight, padding, target, alpha: 'mask' } as const;
      const { gradient, metrics } = await run(gpu, arena, { render, photo }, size, options);
      for (const [i, name] of (['l1', 'ssim', 'mse', 'loss'] as const).entries()) {
        const off = Math.abs(metrics[i] - expected[name]);
        assert.ok(off < 2e-6, `${name}: ${metrics[i]}, expected ${expected[name]}`);
      }
      const compared = Array.from(photo.keys()).filter((pixel) => !isMasked(pixel)).length;
      assert.is(metrics[4], compared);
      assert.ok(dssimWeight === 0 ? metrics[5] === 0 : metrics[5] > 0 && metrics[5] < compared);
      let [norm, error] = [0, 0];
      for (let i = 0; i < 3 * photo.length; i++) {
        const [pixel, got] = [Math.floor(i / 3), gradient[4 * Math.floor(i / 3) + (i % 3)]];
        if (isMasked(pixel)) assert.is(got, 0);
        norm += expected.gradient[i] ** 2;
        error += (got - expected.gradient[i]) ** 2;
      }
      assert.ok(Math.sqrt(error / norm) < 1e-4, `gradient off by ${Math.sqrt(error / norm)}`);

      // The values of masked pixels enter no loss: those of the photograph and those of the render.
      const other = render.map((value, i) => (isMasked(Math.floor(i / 4)) ? 5 - value : value));
      const again = await run(gpu, arena, { render: other, photo }, size, options);
      assert.equal(again.metrics, metrics);
      assert.ok(sameFloats(again.gradient, gradient));
    }));
}

test('a masked border is a smaller picture, and without masked pixels the loss is that without masks', () =>
  withGpu(async (gpu, arena) => {
    const size = { width: 60, height: 40 };
    const { render, photo } = pictures(size.width, size.height);
    const options = { dssimWeight: 0.3, alpha: 'mask' } as const;
    const none = await run(gpu, arena, { render, photo }, size, options);
    const plain = await run(gpu, arena, { render, photo }, size, { dssimWeight: 0.3 });
    for (let i = 0; i < 4; i++) assert.ok(Math.abs(none.metrics[i] - plain.metrics[i]) < 1e-6);
    for (const [i, value] of plain.gradient.entries()) {
      assert.ok(Math.abs(none.gradient[i] - value) < 1e-9, `${none.gradient[i]}, expected ${value}`);
    }
    assert.equal([...none.metrics.subarray(4)], [2400, 50 * 30]);

    const rows = 29;
    const cut = { width: size.width, height: rows };
    const above = photo.map((word, pixel) => (pixel < rows * size.width ? word : 0));
    const masked = await run(gpu, arena, { render, photo: above }, size, options);
    const smaller = {
      render: render.slice(0, 4 * rows * size.width),
      photo: photo.slice(0, rows * size.width),
    };
    const alone = await run(gpu, arena, smaller, cut, { dssimWeight: 0.3 });
    for (let i = 0; i < 3; i++) assert.ok(Math.abs(masked.metrics[i] - alone.metrics[i]) < 1e-6);
  }));

test('a premultiplied photograph is composited over the background, which may change', () =>
  withGpu(async (gpu, arena) => {
    const size = { width: 33, height: 21 };
    const { render, photo: opaque } = pictures(size.width, size.height);
    const photo = opaque.map((word, pixel) => {
      const alpha = (37 * pixel) % 256;
      const byte = (c: number) => Math.round((((word >>> (8 * c)) & 255) * alpha) / 255);
      return (byte(0) | (byte(1) << 8) | (byte(2) << 16) | (alpha << 24)) >>> 0;
    });
    const metrics = arena.buffer('metrics', 16);
    const loss = await PhotometricLoss.create(gpu, arena, {
      label: 'loss',
      ...size,
      render: arena.upload('render', render, 'test'),
      gradient: arena.buffer('gradient', 16 * size.width * size.height),
      metrics,
      dssimWeight: 0.2,
      alpha: 'composite',
    });
    const backgrounds = [
      [0.25, 0.5, 1],
      [1, 0, 0.1],
    ] as const;
    const bound = loss.bindPhoto(arena.upload('photo', photo, 'test'), {
      ...size,
      background: backgrounds[0],
    });
    for (const [i, background] of backgrounds.entries()) {
      if (i) bound.setBackground(background);
      gpu.run('test', (recorder) => loss.record(recorder, bound));
      const composited = asPicture(size.width, size.height, (pixel, c) => {
        const [value, alpha] = [(photo[pixel] >>> (8 * c)) & 255, photo[pixel] >>> 24];
        return value / 255 + (1 - alpha / 255) * background[c];
      });
      const expected = photometric(
        asPicture(size.width, size.height, (pixel, c) => render[4 * pixel + c]),
        composited,
        0.2,
      );
      const [l1, ssim, mse, total] = await gpu.readFloats(metrics, 'test');
      const got = { l1, ssim, mse, loss: total };
      for (const name of ['l1', 'ssim', 'mse', 'loss'] as const) {
        assert.ok(Math.abs(got[name] - expected[name]) < 2e-6, `${name}: ${got[name]}`);
      }
    }
  }));

test('metrics of a finished render clamp it and need no gradient', () =>
  withGpu(async (gpu, arena) => {
    const size = { width: 33, height: 21 };
    const { render, photo } = pictures(size.width, size.height);
    const expected = photometric(
      asPicture(size.width, size.height, (pixel, c) => Math.min(1, Math.max(0, render[4 * pixel + c]))),
      asPicture(size.width, size.height, (pixel, c) => ((photo[pixel] >>> (8 * c)) & 255) / 255),
      1,
    );
    const metrics = arena.buffer('metrics', 16);
    const engine = await PhotometricMetrics.create(gpu, arena, {
      label: 'metrics',
      ...size,
      render: arena.upload('render', render, 'test'),
      metrics,
    });
    const bound = engine.bindPhoto(arena.upload('photo', photo, 'test'), size);
    gpu.run('test', (recorder) => engine.record(recorder, bound));
    const [l1, ssim, mse] = await gpu.readFloats(metrics, 'test');
    assert.ok(Math.abs(l1 - expected.l1) < 2e-6);
    assert.ok(Math.abs(ssim - expected.ssim) < 2e-6);
    assert.ok(Math.abs(mse - expected.mse) < 2e-6);
    assert.ok(Math.abs(psnr(0.001) - 30) < 1e-12);
  }));

test('an engine for a wide picture accepts a tall one with as many pixels', () =>
  withGpu(async (gpu, arena) => {
    const size = { width: 24, height: 66 };
    const data = pictures(size.width, size.height);
    const expected = photometric(
      asPicture(size.width, size.height, (pixel, c) => data.render[4 * pixel + c]),
      asPicture(size.width, size.height, (pixel, c) => ((data.photo[pixel] >>> (8 * c)) & 255) / 255),
      0.2,
    );
    const wide = { width: 66, height: 24 };
    const { gradient, metrics } = await run(gpu, arena, data, size, { dssimWeight: 0.2 }, wide);
    assert.ok(Math.abs(metrics[3] - expected.loss) < 2e-6, `${metrics[3]}, expected ${expected.loss}`);
    let [norm, error] = [0, 0];
    for (const [i, wanted] of expected.gradient.entries()) {
      norm += wanted ** 2;
      error += (gradient[4 * Math.floor(i / 3) + (i % 3)] - wanted) ** 2;
    }
    assert.ok(Math.sqrt(error / norm) < 1e-4, `gradient off by ${Math.sqrt(error / norm)}`);
  }));

test('a picture smaller than the window is refused, except by L1 alone', () =>
  withGpu(async (gpu, arena) => {
    const pictures = { render: new Float32Array(4 * 100), photo: new Uint32Array(100) };
    const size = { width: 10, height: 10 };
    let message = '';
    await run(gpu, arena, pictures, size, { dssimWeight: 0.2 }).catch(
      (error: Error) => (message = error.message),
    );
    assert.match(message, /SSIM compares windows of 11×11 pixels, and a picture has 10×10/);
    const { metrics } = await run(gpu, arena, pictures, size, { dssimWeight: 0 });
    assert.equal([...metrics.subarray(0, 4)], [0, 0, 0, 0]);
  }));

test('the window sums to 1 and is symmetric', () => {
  const taps = ssimTaps();
  assert.is(taps.length, 11);
  assert.ok(Math.abs(taps.reduce((sum, tap) => sum + tap) - 1) < 1e-15);
  assert.ok(taps.every((tap, i) => tap === taps[10 - i]));
});

test.run();
