/** The stage blend and regions of stylize: strength, regions, and which bytes stay. */

import { fileURLToPath } from 'node:url';
import { PNG } from 'pngjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  GAUSSIAN_PARAMETERS,
  type Gaussians,
  parameterWidths,
  releaseGaussians,
} from '../stages/artefacts/gaussians.ts';
import { type BlendInput, blend, blendOptions } from '../stages/blend/stage.ts';
import { Stopped } from '../stages/checkpoints.ts';
import { openClip } from '../stages/clip/model.ts';
import { ClipScorer } from '../stages/clip/scorer.ts';
import { regionOf } from '../stages/regions/options.ts';
import { stylize } from '../stages/stylize/stage.ts';
import { type Arena, type Gpu, InputError } from '../wgsl/core/index.ts';
import { regionWeights } from '../wgsl/splat/edit/region-weights.ts';
import { StepScale } from '../wgsl/splat/edit/scale-steps.ts';
import { SplatRenderer } from '../wgsl/splat/renderer.ts';
import { bytesOf, differences, MemoryStore, stoppingAt, storeOf } from './helpers/checkpoints.ts';
import { testGpu, withGpu, withWindows } from './helpers/gpu.ts';
import { recordingReport } from './helpers/report.ts';
import { hostRows } from './helpers/state.ts';
import { balls, ringDataset } from './helpers/tiny-scene.ts';
import { blendRows } from './reference/blend-rows.ts';
import { regionWeight } from './reference/region-weights.ts';
import { structure } from './reference/structure.ts';

const TINY_CLIP = fileURLToPath(new URL('./data/clip-tiny', import.meta.url));
const PROMPT = 'a robot';
const COUNT = 700;
const SH_DEGREE = 1;
const host = { base: hostRows(COUNT, SH_DEGREE, 1), styled: hostRows(COUNT, SH_DEGREE, 2) };

function splats(arena: Arena): { base: Gaussians; gaussians: Gaussians } {
  const upload = (which: 'base' | 'styled') => {
    const buffers = GAUSSIAN_PARAMETERS.map((name) => [
      name,
      arena.upload(`${which}/${name}`, host[which][name], 'test'),
    ]);
    return { count: COUNT, shDegree: SH_DEGREE, ...Object.fromEntries(buffers) } as Gaussians;
  };
  return { base: upload('base'), gaussians: upload('styled') };
}

async function blended(gpu: Gpu, arena: Arena, options: BlendInput) {
  const inputs = splats(arena);
  const live = gpu.liveBytes;
  const result = await blend(gpu, inputs, options);
  const bytes = await bytesOf(gpu, result);
  releaseGaussians(result);
  assert.is(gpu.liveBytes, live, 'all buffers are freed');
  return bytes;
}

const floatsOf = (bytes: Record<string, Uint8Array>, name: string) =>
  new Float32Array(bytes[name].slice().buffer);
const expectedBytes = (which: 'base' | 'styled') =>
  Object.fromEntries(GAUSSIAN_PARAMETERS.map((name) => [name, new Uint8Array(host[which][name].buffer)]));

/** Sharp and soft shapes, compositions, and what is outside. */
const REGIONS: NonNullable<BlendInput['only']>[] = [
  { box: { min: [-0.5, -0.2, -1], max: [0.4, 0.9, 0.3] } },
  { box: { min: [-0.5, -0.2, -1], max: [0.4, 0.9, 0.3] }, soft: 0.5 },
  { sphere: { center: [0.2, 0, -0.1], radius: 0.7 }, soft: 0.3, not: true },
  { halfSpace: { point: [0, 0.1, 0], normal: [1, -2, 0.5] }, soft: 0.8 },
  {
    any: [
      { sphere: { center: [0.5, 0.5, 0.5], radius: 0.4 } },
      { sphere: { center: [-0.5, 0, 0], radius: 0.5 }, soft: 0.2 },
    ],
  },
  {
    all: [
      { halfSpace: { point: [0, 0, 0], normal: [0, 1, 0] } },
      { box: { min: [-0.6, -0.6, -0.6], max: [0.6, 0.6, 0.6] }, not: true, soft: 0.1 },
      { sphere: { center: [0, 0, 0], radius: 1.2 }, soft: 0.6 },
    ],
    not: true,
  },
];

test('the weight of each Gaussian is that of the plain reference', () =>
  withGpu(async (gpu, arena) => {
    const { base } = splats(arena);
    for (const only of REGIONS) {
      const region = regionOf(blendOptions.parse({ only }).only!);
      const { weights, insideCount } = await regionWeights(arena, region, base);
      const found = await gpu.readFloats(weights, 'test', COUNT);
      const expected = Array.from({ length: COUNT }, (_, i) => {
        const [x, y, z] = host.base.means.subarray(3 * i, 3 * i + 3);
        return regionWeight(region, [x, y, z]);
      });
      const worst = Math.max(...expected.map((weight, i) => Math.abs(found[i] - weight)));
      assert.ok(worst < 2e-6, `${worst}`);
      const inside = expected.filter((weight) => weight > 0).length;
      assert.ok(inside > COUNT / 20 && inside < COUNT, `${inside} inside`);
      assert.is(
        (await gpu.readWords(insideCount, 'test', 1))[0],
        found.filter((weight) => weight > 0).length,
      );
    }
  }));

test('strength 0 gives the base’s bytes, 1 the styled ones, and between them every number is in between', () =>
  withGpu(async (gpu, arena) => {
    assert.equal(differences(await blended(gpu, arena, { strength: 0 }), expectedBytes('base')), []);
    assert.equal(differences(await blended(gpu, arena, {}), expectedBytes('styled')), []);
    const part = await blended(gpu, arena, { strength: 0.3, only: REGIONS[1] });
    const region = regionOf(blendOptions.parse({ only: REGIONS[1] }).only!);
    const weightOf = (row: number) => {
      const [x, y, z] = host.base.means.subarray(3 * row, 3 * row + 3);
      return 0.3 * regionWeight(region, [x, y, z]);
    };
    const widths = parameterWidths(SH_DEGREE);
    for (const name of GAUSSIAN_PARAMETERS) {
      const expected = blendRows(host.base[name], host.styled[name], weightOf, widths[name]);
      const found = floatsOf(part, name);
      const worst = Math.max(...expected.map((value, i) => Math.abs(found[i] - value)));
      assert.ok(worst < 1e-5, `${name}: ${worst}`);
    }
  }));

test('Gaussians outside a region keep every byte, those wholly inside are the styled ones', () =>
  withGpu(async (gpu, arena) => {
    for (const only of REGIONS) {
      const bytes = await blended(gpu, arena, { only });
      const region = regionOf(blendOptions.parse({ only }).only!);
      const widths = parameterWidths(SH_DEGREE);
      const seen = { outside: 0, inside: 0 };
      for (let i = 0; i < COUNT; i++) {
        const [x, y, z] = host.base.means.subarray(3 * i, 3 * i + 3);
        const weight = regionWeight(region, [x, y, z]);
        if (weight > 0 && weight < 1) continue;
        const from = weight ? 'styled' : 'base';
        seen[weight ? 'inside' : 'outside']++;
        for (const name of GAUSSIAN_PARAMETERS) {
          const [first, last] = [4 * widths[name] * i, 4 * widths[name] * (i + 1)];
          const expected = expectedBytes(from)[name].subarray(first, last);
          assert.is(
            Buffer.compare(bytes[name].subarray(first, last), expected),
            0,
            `${name} of ${i}, ${from}`,
          );
        }
      }
      assert.ok(seen.outside > 10 && seen.inside > 5, JSON.stringify(seen));
    }
  }));

/** The rows of a Gaussian in bytes of a splat. */
const rowsOf = (bytes: Record<string, Uint8Array>, count: number, row: number) =>
  GAUSSIAN_PARAMETERS.map((name) => {
    const width = bytes[name].length / count;
    return Buffer.from(bytes[name].subarray(width * row, width * (row + 1))).toString('hex');
  });

/** SH from `base` to `styled` in two steps, both scaled by the weights in a region. */
async function twoSteps(gpu: Gpu, arena: Arena, weights: GPUBuffer): Promise<Float32Array> {
  const width = parameterWidths(SH_DEGREE).sh;
  const values = arena.upload('values', host.base.sh, 'test');
  const parameters = [{ name: 'sh', values, width }];
  const scale = await StepScale.create(arena, { parameters, count: COUNT, weights });
  for (const name of ['styled', 'base'] as const) {
    gpu.write(values, host[name].sh, 'test');
    gpu.run('test', (recorder) => scale.record(recorder));
  }
  return gpu.readFloats(values, 'test');
}

test('a step is scaled by the weight of each Gaussian; weights of 0 and 1 keep every bit', async () => {
  const region = regionOf(blendOptions.parse({ only: REGIONS[1] }).only!);
  const width = parameterWidths(SH_DEGREE).sh;
  const scaled = async (gpu: Gpu, arena: Arena) => {
    const { weights } = await regionWeights(arena, region, splats(arena).base);
    return twoSteps(gpu, arena, weights);
  };
  let whole: Float32Array | undefined;
  await withGpu(async (gpu, arena) => {
    const found = await scaled(gpu, arena);
    whole = found;
    const weightOf = (row: number) => {
      const [x, y, z] = host.base.means.subarray(3 * row, 3 * row + 3);
      return regionWeight(region, [x, y, z]);
    };
    const first = blendRows(host.base.sh, host.styled.sh, weightOf, width);
    // From there, the second step leads back to the base.
    const expected = blendRows(first, host.base.sh, weightOf, width);
    const seen = { outside: 0, soft: 0, inside: 0 };
    expected.forEach((value, i) => {
      const weight = weightOf(Math.floor(i / width));
      if (weight > 0 && weight < 1) {
        seen.soft++;
        assert.ok(Math.abs(found[i] - value) < 1e-5, `${i}: ${found[i]}, expected ${value}`);
      } else {
        seen[weight ? 'inside' : 'outside']++;
        assert.is(found[i], host.base.sh[i]);
      }
    });
    assert.ok(Math.min(...Object.values(seen)) > 100, JSON.stringify(seen));
  });
  await withWindows(256 * 4 * 12, async (gpu, arena) => assert.equal(await scaled(gpu, arena), whole));
});

/** The first ball is in the soft edge, the second inside, the others outside. */
const HALF: BlendInput['only'] = {
  halfSpace: { point: [0, 0.1, 0], normal: [0, -1, 0] },
  soft: 0.4,
};

test('stylize restyles a region: Gaussians outside keep every byte, and it resumes to the same bytes', () =>
  withGpu(async (gpu, arena) => {
    const base = balls(arena, 'balls');
    const before = await bytesOf(gpu, base);
    const work = async (only: BlendInput['only'], settings = {}) => {
      const target = { prompt: PROMPT, model: TINY_CLIP, preset: 'paper' } as const;
      const options = { ...target, steps: 6, crops: { count: 2 } };
      const train = ['means', 'scales', 'quats', 'opacity', 'sh'] as const;
      const inputs = { dataset: ringDataset(), gaussians: base };
      const result = await stylize(gpu, inputs, { ...options, train: [...train], only }, settings);
      const bytes = await bytesOf(gpu, result);
      releaseGaussians(result);
      return bytes;
    };
    const live = gpu.liveBytes;
    const report = recordingReport();
    const styled = await work(HALF, { report });
    assert.is(gpu.liveBytes, live, 'all buffers are freed');
    assert.ok(report.notes.includes(`only: 2 of ${base.count} Gaussians are in the region`));
    const everywhere = await work(undefined);
    for (let row = 0; row < base.count; row++) {
      const [was, is, free] = [before, styled, everywhere].map((bytes) => rowsOf(bytes, base.count, row));
      if (row > 1) assert.equal(is, was, `${row} is outside`);
      else is.forEach((bytes, i) => void assert.is.not(bytes, was[i], `${GAUSSIAN_PARAMETERS[i]} of ${row}`));
      free.forEach((bytes, i) => void assert.is.not(bytes, was[i], `${row} moves without a region`));
    }
    const store = new MemoryStore();
    const stopped = { checkpoints: store, report: stoppingAt(3, store) };
    assert.instance(await work(HALF, stopped).catch((error: Error) => error), Stopped);
    assert.equal(differences(await work(HALF, { checkpoints: storeOf(store.saved[0]) }), styled), []);
    const nothing = await work({ sphere: { center: [99, 0, 0], radius: 1 } }, { report });
    assert.equal(differences(nothing, before), []);
    assert.match(report.warnings.join(), /^only: 0 of 8 Gaussians are in the region, so nothing changes/);
  }));

test('with the strength, the own score of a restyled splat rises and its structure falls', () =>
  withGpu(async (gpu, arena) => {
    const dataset = ringDataset();
    const base = balls(arena, 'balls');
    const restyled = await stylize(
      gpu,
      { dataset, gaussians: base },
      {
        prompt: PROMPT,
        model: TINY_CLIP,
        preset: 'paper',
        steps: 20,
        crops: { count: 3 },
        rates: { sh: 0.05 },
      },
    );
    const model = await openClip(gpu, TINY_CLIP, 'f32');
    const scorer = await ClipScorer.create(gpu, model);
    const renderer = await SplatRenderer.create(gpu, 'test/renderer');
    const embedding = await model.embedTexts([PROMPT]);
    /** Of strength 0. */
    let before: Float32Array[] | undefined;
    const scoreOf = async (splat: Gaussians) => {
      const pictures: { color: GPUBuffer; width: number; height: number }[] = [];
      for (const { camera } of dataset.views) {
        const color = arena.buffer('color', 16 * camera.width * camera.height);
        await renderer.render(splat, camera, { color });
        pictures.push({ color, width: camera.width, height: camera.height });
      }
      const { cosines } = await scorer.compare(pictures, embedding);
      const data = await Promise.all(pictures.map(({ color }) => gpu.readFloats(color, 'test')));
      before ??= data;
      const correlations = data.map((data, i) => {
        const { width, height } = pictures[i];
        return structure({ width, height, data }, { width, height, data: before![i] }).correlation;
      });
      const total = (values: Iterable<number>) => [...values].reduce((sum, value) => sum + value, 0);
      return { own: total(cosines), structure: total(correlations) };
    };
    const scores = [];
    for (const strength of [0, 0.25, 0.5, 0.75, 1]) {
      const splat = await blend(gpu, { base, gaussians: restyled }, { strength });
      scores.push(await scoreOf(splat));
      releaseGaussians(splat);
    }
    assert.ok(Math.abs(scores[0].structure - dataset.views.length) < 1e-6);
    for (let i = 1; i < scores.length; i++) {
      assert.ok(scores[i].own > scores[i - 1].own, JSON.stringify(scores));
      assert.ok(scores[i].structure < scores[i - 1].structure, JSON.stringify(scores));
    }
    releaseGaussians(restyled);
    renderer.destroy();
    scorer.destroy();
    model.destroy();
  }));

test('SH larger than one binding are blended in windows, with the same bytes', async () => {
  const whole = await (async () => {
    let bytes: Record<string, Uint8Array> = {};
    await withGpu(async (gpu, arena) => {
      bytes = await blended(gpu, arena, { strength: 0.4, only: REGIONS[1] });
    });
    return bytes;
  })();
  await withWindows(256 * 4 * 12, async (gpu, arena) => {
    assert.equal(differences(await blended(gpu, arena, { strength: 0.4, only: REGIONS[1] }), whole), []);
  });
});

test('the preview shows the region in orange', async () => {
  const gpu = await testGpu();
  await withGpu(async (_, arena) => {
    const files = new Map<string, Uint8Array>();
    const output = {
      write: async (path: string, bytes: Uint8Array | string) => void files.set(path, bytes as Uint8Array),
    };
    const report = recordingReport();
    const inputs = { ...splats(arena), dataset: ringDataset() };
    const orange = async (only: BlendInput['only']) => {
      releaseGaussians(await blend(gpu, inputs, { only }, { output, report }));
      const { data } = PNG.sync.read(Buffer.from(files.get('region.png')!));
      let pixels = 0;
      for (let i = 0; i < data.length; i += 4) pixels += Number(data[i] > 150 && data[i + 2] < 100);
      return pixels;
    };
    const everything = await orange({ sphere: { center: [0, 0, 0], radius: 9 } });
    const half = await orange({ halfSpace: { point: [0, 0, 0], normal: [1, 0, 0] } });
    const nothing = await orange({ sphere: { center: [99, 0, 0], radius: 1 } });
    assert.ok(everything > half && half > nothing, `${everything}, ${half}, ${nothing}`);
    assert.match(report.notes[0], /^only: 700 of 700 Gaussians are in the region/);
    assert.match(
      report.warnings[0],
      /^only: 0 of 700 Gaussians are in the region, so nothing of the restyling is left/,
    );
  });
});

test('a splat with other Gaussians than the base, and regions of no or several shapes, are refused', () =>
  withGpu(async (gpu, arena) => {
    const { base, gaussians } = splats(arena);
    const error = await blend(gpu, { base, gaussians: { ...gaussians, count: 3 } }).catch(
      (error: Error) => error,
    );
    assert.instance(error, InputError);
    assert.match(
      String(error),
      /differ in their Gaussians: 3 of SH degree 1, and 700 of degree 1\. Put blend right after/,
    );
    const sphere = { center: [0, 0, 0], radius: 1 };
    for (const only of [
      {},
      { sphere, box: { min: [0, 0, 0], max: [1, 1, 1] } },
      { any: [{ soft: 1 }] },
      { all: [] },
      { any: [{ sphere }], soft: 1 },
      { all: [{ sphere, soft: 1 }], soft: 1 },
    ]) {
      assert.not(blendOptions.safeParse({ only }).success, JSON.stringify(only));
    }
    assert.not(blendOptions.safeParse({ only: { box: { min: [0, 0, 1], max: [1, 1, 1] } } }).success);
    assert.not(
      blendOptions.safeParse({ only: { halfSpace: { point: [0, 0, 0], normal: [0, 0, 0] } } }).success,
    );
  }));

test.run();
