import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { clipFlop, countWaits } from './bench/clip-rows.ts';
import { compareRows, formatComparison } from './bench/compare.ts';
import { benchFrames } from './bench/frames.ts';
import { copyBandwidth, median } from './bench/measure.ts';
import { parseOptions } from './bench/options.ts';
import { plotSvg, scalingPlots } from './bench/plot.ts';
import { gitState, type Result, versions } from './bench/result.ts';
import { KINDS, type Row } from './bench/row.ts';
import { bench } from './bench/rows.ts';
import { benchScaling } from './bench/scaling.ts';
import { formulaPoints } from './bench/scene.ts';
import { formatRows } from './bench/table.ts';
import { renderTraffic, share, stepTraffic, total } from './bench/traffic.ts';
import { Warmer } from './bench/warm.ts';
import { testGpu, withGpu } from './helpers/gpu.ts';
import { scratchFolder } from './helpers/scratch.ts';
import { $ } from './helpers/shell.ts';

const ROW: Row = {
  id: 'step 1',
  kind: 'step',
  scene: 'formula',
  gaussians: 100,
  visible: 50,
  intersections: 200,
  width: 64,
  height: 48,
  gpuMs: 2,
  intervalMs: 2,
  wallMs: 4,
  kernelsMs: 2,
  kernels: { 'splat/project': 0.5, 'splat/emit': 1.5 },
  memoryBytes: 2 ** 30,
  mustMoveBytes: 1e6,
};

test('a comparison lists differences by row and by kernel, the largest first', () => {
  const after: Row = {
    ...ROW,
    gpuMs: 1,
    wallMs: 5,
    kernels: { 'splat/project': 0.25, 'splat/emit-subgroup': 0.75 },
  };
  const { rows, onlyBefore, onlyAfter } = compareRows(
    [ROW, { ...ROW, id: 'sort 1' }],
    [after, { ...ROW, id: 'clip' }],
  );
  assert.equal(onlyBefore, ['sort 1']);
  assert.equal(onlyAfter, ['clip']);
  assert.is(rows.length, 1);
  const [gpu, wall] = rows[0].totals;
  assert.equal(gpu, { name: 'GPU ms', before: 2, after: 1, difference: -1, relative: -0.5 });
  assert.equal(wall, { name: 'wall ms', before: 4, after: 5, difference: 1, relative: 0.25 });
  assert.equal(rows[0].kernels, [
    { name: 'splat/emit', before: 1.5, after: null, difference: null, relative: null },
    { name: 'splat/emit-subgroup', before: null, after: 0.75, difference: null, relative: null },
    { name: 'splat/project', before: 0.5, after: 0.25, difference: -0.25, relative: -0.5 },
  ]);
  assert.is(rows[0].unlike, undefined);
});

test('a comparison reports rows of different scenes, and figures that are absent or zero have no ratio', () => {
  const { rows } = compareRows(
    [{ ...ROW, gpuMs: null, wallMs: 0 }],
    [{ ...ROW, gaussians: 120, memoryBytes: null }],
  );
  assert.is(rows[0].unlike, 'gaussians: 100, and then 120');
  assert.equal(
    rows[0].totals.map(({ name, difference, relative }) => [name, difference, relative]),
    [
      ['GPU ms', null, null],
      ['wall ms', 4, null],
      ['kernels ms', 0, 0],
      ['GiB', null, null],
      ['visible', 0, 0],
      ['intersections', 0, 0],
    ],
  );
});

test('medians of odd and even lists', () => {
  assert.is(median([3, 1, 2]), 2);
  assert.is(median([4, 1, 3, 2]), 2.5);
  assert.ok(Number.isNaN(median([])));
});

test('the minimum traffic of a step, term by term', () => {
  const work = { gaussians: 1000, visible: 100, intersections: 300, pixels: 10, shDegree: 3 };
  assert.equal(Object.fromEntries(stepTraffic(work).map(({ name, bytes }) => [name, bytes])), {
    project: 4 * (11_000 + 58 * 100),
    order: 4 * 400,
    forward: 4 * (300 + 900 + 40),
    loss: 4 * 70,
    backward: 4 * (300 + 900 + 70 + 900),
    update: 4 * (900 + 354 * 100),
  });
  assert.is(total(renderTraffic(work)), 4 * (16_800 + 400 + 1240));
  assert.is(share(1e9, 1, 4e12), 0.25);
});

test('all kinds run at a tiny size, print, and compare with themselves', () =>
  withGpu(async (gpu) => {
    const effort = { warmup: 1, profiled: 1, steps: 2, rounds: 1 };
    const live = gpu.liveBytes;
    const rows = await bench(gpu, formulaPoints(400), {
      sizes: [
        { row: 1, factor: 1, width: 65 },
        { row: 2, factor: 2, width: 65 },
      ],
      kinds: KINDS,
      effort,
      clip: {
        models: ['tiny', 'demo'],
        batches: [1, 2],
        precision: 'f32',
        restyle: { model: 'tiny', batch: 2 },
      },
    });
    assert.is(gpu.liveBytes, live, 'all buffers are gone');
    assert.equal(
      rows.map(({ id }) => id),
      [
        ...['step 1', 'render 1', 'sort depths 1', 'sort tiles 1', 'ssim 65×42'],
        ...['base', 'structure', 'tv', 'photo'].map((name) => `loss ${name} 65×42`),
        ...['step 2', 'render 2', 'sort depths 2', 'sort tiles 2'],
        ...['clip tiny ×1', 'clip tiny ×2', 'restyle tiny ×2', 'clip demo ×1', 'clip demo ×2'],
      ],
    );
    for (const row of rows) {
      assert.ok(row.wallMs > 0, row.id);
      if (!gpu.has('timestamp-query')) continue;
      assert.ok(Object.keys(row.kernels).length > 0, row.id);
      assert.ok(row.gpuMs! > 0 && row.intervalMs! > 0 && row.kernelsMs! > 0, row.id);
    }
    const [step] = rows;
    assert.is(step.gaussians, 400);
    assert.ok(step.visible! > 100 && step.visible! < 300, `${step.visible} visible`);
    assert.ok(step.intersections! >= step.visible!);
    assert.ok(step.memoryBytes! > 3 * 59 * 4 * 400);
    const clips = rows.filter(({ clip }) => clip);
    assert.ok(clips.every(({ clip, memoryBytes }) => clip!.productsFlop > 0 && memoryBytes! > 0));
    assert.is(clips[1].clip!.productsFlop, 2 * clips[0].clip!.productsFlop);
    const copied = await copyBandwidth(gpu);
    assert.ok(copied > 0);
    const result: Result = {
      format: 2,
      date: 'today',
      adapter: gpu.adapter,
      ...(await gitState()),
      versions: versions(),
      effort,
      copyBandwidth: copied,
      rows,
    };
    const text = formatRows(rows, copied);
    assert.match(text, /^row +scene +Gaussians/);
    assert.match(text, /^step 1 +formula +400 /m);
    assert.match(text, /^restyle tiny ×2 +f32 /m);
    const same = formatComparison(result, JSON.parse(JSON.stringify(result)));
    assert.match(same, /wall ms .* 0\.0000 +0\.0 %/);
    assert.not.match(same, /warning/);
  }));

test('the work of an image encoder, against the figures of the literature and one counted by hand', () => {
  const shape = {
    activation: 'gelu' as const,
    epsilon: 1e-5,
    hasPatchBias: false,
    hasClassToken: true,
    hasPreNorm: true,
    pooling: 'class' as const,
    hasProjection: true,
  };
  const tflop = (patch: number, width: number, layers: number, dimensions: number) => {
    const vision = { ...shape, imageSize: 224, patch, width, inner: 4 * width, heads: 16, layers };
    const { productsFlop, attentionFlop } = clipFlop({ vision, dimensions }, 64);
    return (productsFlop + attentionFlop) / 1e12;
  };
  // With every token in the last layer.
  for (const [found, whole] of [
    [tflop(32, 768, 12, 512), 1.13],
    [tflop(16, 768, 12, 512), 4.5],
    [tflop(14, 1024, 24, 768), 21],
  ]) {
    assert.ok(found < whole && found > 0.9 * whole, `${found} of ${whole}`);
  }
  // One layer of width 1 and one patch of a pixel: 3 for the patch, 2·2 for k and v, 2 + 8 behind them, 1 for the projection.
  const vision = { ...shape, imageSize: 1, patch: 1, width: 1, inner: 4, heads: 1, layers: 1 };
  assert.equal(clipFlop({ vision, dimensions: 1 }, 1), {
    productsFlop: 4 * (3 + 4 + 10 + 1),
    attentionFlop: 6 * 4,
  });
});

test('frames that wait for the GPU are counted, others are not', () =>
  withGpu(async (gpu) => {
    assert.is(await countWaits(() => {}, 5), 0);
    assert.is(await countWaits(async () => {}, 5), 0);
    let at = 0;
    assert.is(
      await countWaits(async () => {
        if (at++ % 2) await gpu.settle();
      }, 5),
      2,
    );
  }));

test('work that raises the clock takes as long as it should', () =>
  withGpu(async (gpu) => {
    const warmer = await Warmer.create(gpu, 5);
    const start = performance.now();
    warmer.run();
    await gpu.settle();
    assert.ok(performance.now() - start > 1);
    warmer.destroy();
  }));

test('frames to files: every way gives a row, and all parts are timed', () =>
  withGpu(async (gpu) => {
    const effort = { warmup: 1, profiled: 1, steps: 2, rounds: 1 };
    const size = { factor: 2, width: 64, height: 36, frames: 10, pictures: 2 };
    const live = gpu.liveBytes;
    const rows = await benchFrames(gpu, formulaPoints(200), size, effort);
    assert.is(gpu.liveBytes, live, 'all buffers are gone');
    assert.equal(
      rows.map(({ id }) => id),
      ['gpu', 'kept', 'read', 'mp4', 'png'].map((way) => `frames ${way}`),
    );
    const timed = gpu.has('timestamp-query');
    for (const { id, wallMs, width, height, parts } of rows) {
      assert.ok(wallMs > 0, id);
      assert.equal([width, height], [64, 36]);
      for (const [name, ms] of Object.entries(parts ?? {})) {
        if (timed || !name.endsWith('(GPU)')) assert.ok(ms > 0, `${id}: ${name} ${ms}`);
      }
    }
    assert.match(formatRows(rows, 1), /^frames mp4, [\d.]+ frames\/s, .*the slowest is /m);
  }));

test('a step is measured by Gaussians and by pixels, and plotted; sizes that do not fit are reported', () =>
  withGpu(async (gpu) => {
    const effort = { warmup: 0, profiled: 1, steps: 1, rounds: 1 };
    const skipped: string[] = [];
    const sizes = { gaussians: [100, 300, 1e9], width: 65, pixels: [500, 2000, 1e10], factor: 2 };
    const onSkip = (text: string) => skipped.push(text);
    const rows = await benchScaling(gpu, formulaPoints(200), sizes, effort, { onSkip });
    assert.equal(
      rows.map(({ gaussians, width, height }) => [gaussians, width, height]),
      [
        [100, 65, 42],
        [300, 65, 42],
        [400, 28, 18],
        [400, 56, 36],
      ],
    );
    assert.is(skipped.length, 2);
    assert.match(skipped[0], /^scaling gaussians 1000000000 is left out: 1000000000 Gaussians/);
    assert.match(skipped[1], /^scaling pixels 10000000000 is left out: a picture takes/);
    const plots = scalingPlots(rows, 'A & B');
    assert.equal([...plots.keys()], ['step-by-gaussians.svg', 'step-by-pixels.svg']);
    for (const svg of plots.values()) assert.match(svg, /· A &amp; B<\/text>/);
    assert.equal(scalingPlots(rows.slice(0, 1), 'A').size, 0);
  }));

test('a plot is logarithmic in both directions, and refuses values without a logarithm', () => {
  const line = (ys: number[]) => ({ name: 'GPU', points: ys.map((y, i) => ({ x: 10 ** i, y })) });
  const plot = { title: 't', xTitle: 'x', yTitle: 'y' };
  const svg = plotSvg({ ...plot, lines: [line([1, 10, 1000])] });
  const dots = [...svg.matchAll(/<circle class="dot0" cx="([\d.]+)" cy="([\d.]+)"/g)]
    .slice(1)
    .map((m) => m.slice(1).map(Number));
  assert.is(dots.length, 3);
  const steps = [1, 2].map((i) => [dots[i][0] - dots[i - 1][0], dots[i - 1][1] - dots[i][1]]);
  assert.ok(Math.abs(steps[0][0] - steps[1][0]) < 0.02, 'a decade of x is as wide everywhere');
  assert.ok(Math.abs(2 * steps[0][1] - steps[1][1]) < 0.02, 'two decades of y are twice one');
  assert.throws(() => plotSvg({ ...plot, lines: [line([1, 0])] }), /points above zero/);
});

test('the command compares two files, and ends with 2 for options or files that it cannot use', async () => {
  const folder = scratchFolder();
  const { adapter } = await testGpu();
  const result = {
    format: 2,
    date: 'today',
    adapter,
    commit: null,
    dirty: null,
    versions: {},
    effort: { warmup: 1, profiled: 1, steps: 1, rounds: 1 },
    copyBandwidth: 1,
    rows: [ROW],
  };
  const [a, b] = ['a.json', 'b.json'].map((name) => join(folder, name));
  await writeFile(a, JSON.stringify(result));
  await writeFile(b, JSON.stringify({ ...result, rows: [{ ...ROW, gpuMs: 1 }] }));
  const compared = await command('--compare', a, b);
  assert.is(compared.exitCode, 0, compared.stderr);
  assert.match(compared.stdout, /GPU ms +2\.0000 +1\.0000 +-1\.0000 +-50\.0 %/);
  const refused = async (...args: string[]) => {
    const { exitCode, stderr } = await command(...args);
    assert.is(exitCode, 2);
    return stderr;
  };
  assert.match(await refused('--compare', a), /^--compare takes two files\nnpm run bench/);
  assert.match(await refused('--plot', a, folder), /has no two rows of --scaling/);
});

test('invalid options are refused', () => {
  const refusals: [args: string[], expected: RegExp][] = [
    [['--compare', 'a'], /^--compare takes two files/],
    [['--plot', 'a'], /^--plot takes a file and a folder/],
    [['--only', 'nothing'], /^--only: nothing is none of step, /],
    [['--rows', '6'], /^--rows: 6 is none of 1, /],
    [['--steps', '0'], /^--steps is a whole number from 1, got 0/],
    [['--models', 'b33'], /^--models: b33 is no folder and none of /],
    [['--batches', '1,x'], /^--batches are whole numbers from 1, got 1,x/],
    [['--precision', 'f8'], /^--precision: f8 is none of auto, /],
    [['x'], /^unexpected x/],
  ];
  for (const [args, expected] of refusals) assert.throws(() => parseOptions(args), expected, args.join(' '));
});

async function command(...args: string[]) {
  const cwd = fileURLToPath(new URL('../', import.meta.url));
  const run = ['--import', 'tsx', 'test/bench/run.ts'];
  return $({ cwd, nothrow: true })`${process.execPath} ${run} ${args}`;
}

test.run();
