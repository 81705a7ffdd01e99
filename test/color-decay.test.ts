/** The decay of a change of colours: its kernel against double precision, what it bounds, and a restyling with it. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Gaussians, releaseGaussians } from '../stages/artefacts/gaussians.ts';
import { Stopped } from '../stages/checkpoints.ts';
import { type StylizeInput, stylize, stylizeStage } from '../stages/stylize/stage.ts';
import type { Arena, Gpu } from '../wgsl/core/index.ts';
import { ColorDecay } from '../wgsl/splat/edit/color-decay.ts';
import { bytesOf, differences, MemoryStore, stoppingAt, storeOf } from './helpers/checkpoints.ts';
import { withGpu, withWindows } from './helpers/gpu.ts';
import { hostRows } from './helpers/state.ts';
import { throwsInput } from './helpers/throws.ts';
import { balls, ringDataset } from './helpers/tiny-scene.ts';
import { colorDecay, luminanceOf } from './reference/color-decay.ts';

const RATES = { chroma: 4, luminance: 0.5 };
const RATE = 0.03;

for (const shDegree of [0, 3]) {
  const count = 700;
  const start = hostRows(count, shDegree, 3).sh;
  const moved = Float32Array.from(start, (value, i) => (i % 5 ? value + ((i % 13) - 6) / 5 : value));
  // Whole Gaussians that did not change.
  moved.set(start.subarray(0, 12));

  const decayed = async (gpu: Gpu, arena: Arena, rows: number) => {
    const sh = arena.upload('sh', moved, 'test');
    const decay = await ColorDecay.create(arena, {
      sh,
      start: arena.upload('start', start, 'test'),
      gaussianCount: arena.upload('count', new Uint32Array([rows]), 'test'),
      count,
      shDegree,
      rates: RATES,
    });
    decay.set(RATE);
    gpu.run('test', (recorder) => decay.record(recorder));
    return gpu.readFloats(sh, 'test', moved.length);
  };

  test(`decays the change of SH of degree ${shDegree} as the plain reference, in windows too; not in a void step`, async () => {
    let whole: Float32Array = new Float32Array();
    await withGpu(async (gpu, arena) => {
      whole = await decayed(gpu, arena, count);
      for (const [i, value] of colorDecay(moved, start, { chroma: 0.12, luminance: 0.015 }).entries()) {
        assert.ok(Math.abs(whole[i] - value) < 1e-6, `${i}: ${whole[i]}, expected ${value}`);
      }
      assert.equal(whole.subarray(0, 12), start.subarray(0, 12), 'no bit of the rest changes');
      assert.equal(await decayed(gpu, arena, 0), moved);
    });
    await withWindows(256 * 12 * (shDegree + 1) ** 2, async (gpu, arena) =>
      assert.equal(await decayed(gpu, arena, count), whole),
    );
  });
}

test('a step takes away at most the whole change', () =>
  withGpu(async (gpu, arena) => {
    const start = new Float32Array([0.1, 0.2, 0.3, 0]);
    const sh = arena.upload('sh', new Float32Array([0.6, -0.4, 0.3, 0]), 'test');
    const decay = await ColorDecay.create(arena, {
      sh,
      start: arena.upload('start', start, 'test'),
      gaussianCount: arena.upload('count', new Uint32Array([1]), 'test'),
      count: 1,
      shDegree: 0,
      rates: { chroma: 1000, luminance: 1000 },
    });
    decay.set(1);
    gpu.run('test', (recorder) => decay.record(recorder));
    const found = await gpu.readFloats(sh, 'test', 3);
    for (const [i, value] of found.entries()) assert.ok(Math.abs(value - start[i]) < 1e-6, `${i}: ${value}`);
  }));

const STYLE: StylizeInput = { prompt: 'a wooden toy', preset: 'paper', steps: 12, crops: { count: 2 } };

test('with more decay, less of the change of colour is left', () =>
  withGpu(async (gpu, arena) => {
    const base = balls(arena, 'balls');
    const was = await gpu.readFloats(base.sh, 'test', 3 * base.count);
    /** RMS of the change of chroma, and of luminance. */
    const changes = async (colorDecay?: StylizeInput['colorDecay']) => {
      const splat: Gaussians = await stylize(
        gpu,
        { dataset: ringDataset(), gaussians: base },
        { ...STYLE, colorDecay, rates: { sh: 0.1 } },
      );
      const is = await gpu.readFloats(splat.sh, 'test', 3 * base.count);
      releaseGaussians(splat);
      let [chroma, luminance] = [0, 0];
      for (let first = 0; first < is.length; first += 3) {
        const change = [0, 1, 2].map((channel) => is[first + channel] - was[first + channel]);
        const y = luminanceOf(change);
        luminance += y * y;
        for (const value of change) chroma += (value - y) ** 2;
      }
      return { chroma: Math.sqrt(chroma / base.count), luminance: Math.sqrt(luminance / base.count) };
    };
    const [free, some, more, gray] = [
      await changes(),
      await changes({ chroma: 2 }),
      await changes({ chroma: 9 }),
      await changes({ luminance: 9 }),
    ];
    assert.ok(some.chroma < 0.8 * free.chroma, `${some.chroma}, ${free.chroma}`);
    assert.ok(more.chroma < 0.5 * some.chroma, `${more.chroma}, ${some.chroma}`);
    assert.ok(gray.luminance < 0.3 * free.luminance, `${gray.luminance}, ${free.luminance}`);
    assert.ok(gray.chroma > 0.7 * free.chroma, `${gray.chroma}, ${free.chroma}`);
  }));

test('a region limits the decay too; a restyling that stops resumes to the same bytes', () =>
  withGpu(async (gpu, arena) => {
    const base = balls(arena, 'balls');
    const only: StylizeInput['only'] = { halfSpace: { point: [0, 0.1, 0], normal: [0, -1, 0] }, soft: 0.4 };
    const options: StylizeInput = { ...STYLE, steps: 6, only, colorDecay: { chroma: 4, luminance: 2 } };
    const restyled = async (settings = {}) => {
      const splat = await stylize(gpu, { dataset: ringDataset(), gaussians: base }, options, settings);
      const bytes = await bytesOf(gpu, splat);
      releaseGaussians(splat);
      return bytes;
    };
    const whole = await restyled();
    const was = await bytesOf(gpu, base);
    for (let i = 0; i < base.count; i++) {
      const row = ({ sh }: typeof was) => sh.subarray(12 * i, 12 * (i + 1));
      (i > 1 ? assert.equal : assert.not.equal)(row(whole), row(was), `${i}`);
    }
    const store = new MemoryStore();
    const error = await restyled({ checkpoints: store, report: stoppingAt(3, store) }).catch(
      (error) => error,
    );
    assert.instance(error, Stopped);
    assert.ok(store.saved[0].tensors['start/sh'], 'a checkpoint has the colours of the first step');
    assert.equal(differences(await restyled({ checkpoints: storeOf(store.saved[0]) }), whole), []);
  }));

test('the preset paper has no decay; that of wall can be taken away', () =>
  withGpu(async (gpu, arena) => {
    const base = balls(arena, 'balls');
    const shOf = async (options: Partial<StylizeInput>) => {
      const splat = await stylize(
        gpu,
        { dataset: ringDataset(), gaussians: base },
        { ...STYLE, steps: 3, ...options },
      );
      const { sh } = await bytesOf(gpu, splat);
      releaseGaussians(splat);
      return sh;
    };
    const paper = await shOf({});
    assert.equal(await shOf({ colorDecay: {} }), paper);
    assert.not.equal(await shOf({ colorDecay: { chroma: 1 } }), paper);
    const wall = await shOf({ preset: 'wall' });
    assert.equal(await shOf({ preset: 'wall', colorDecay: { chroma: 1, luminance: 0.25 } }), wall);
    assert.not.equal(await shOf({ preset: 'wall', colorDecay: {} }), wall);
  }));

test('refuses a negative decay, and one of SH that stay as they are', async () => {
  const given = (chroma: number, train?: ['opacity']) =>
    stylizeStage.options.safeParse({ prompt: 'wood', colorDecay: { chroma }, train });
  assert.not.ok(given(-1).success);
  const { data } = given(1, ['opacity']);
  await throwsInput(
    async () => stylizeStage.preflight?.(data as NonNullable<typeof data>),
    'colorDecay changes sh, and train leaves it out: add sh to train, or leave colorDecay out',
  );
});

test.run();
