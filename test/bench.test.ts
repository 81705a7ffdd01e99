import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { deflateRawSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { $ } from '../pipeline/process.ts';
import { parameterWidths } from '../stages/artefacts/gaussians.ts';
import { COUNTERS } from '../wgsl/splat/counters.ts';
import { Rasterizer } from '../wgsl/splat/rasterizer.ts';
import { compareRows, formatComparison } from './bench/compare.ts';
import { benchFrames } from './bench/frames.ts';
import { copyBandwidth, median } from './bench/measure.ts';
import { readNpz } from './bench/npz.ts';
import { plotSvg, scalingPlots } from './bench/plot.ts';
import { gitState, type Result, versions } from './bench/result.ts';
import { bench, KINDS, type Row } from './bench/rows.ts';
import { benchScaling } from './bench/scaling.ts';
import { cameraAt, formulaPoints, loadPoints, makeScene, POINTS } from './bench/scene.ts';
import { formatRows } from './bench/table.ts';
import { renderTraffic, share, stepTraffic, total } from './bench/traffic.ts';
import { testGpu, withGpu } from './helpers/gpu.ts';
import { scratchFolder } from './helpers/scratch.ts';
import { testWithData } from './helpers/shared-data.ts';

const ROW: Row = {
  id: 'step 1',
  kind: 'step',
  scene: 'formula',
  gaussians: 100,
  visible: 50,
  pairs: 200,
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

test('a comparison gives differences by row and by kernel, the largest first', () => {
  const after: Row = {
    ...ROW,
    gpuMs: 1,
    wallMs: 5,
    kernels: { 'splat/project': 0.25, 'splat/emit_subgroup': 0.75 },
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
    { name: 'splat/emit_subgroup', before: null, after: 0.75, difference: null, relative: null },
    { name: 'splat/project', before: 0.5, after: 0.25, difference: -0.25, relative: -0.5 },
  ]);
  assert.is(rows[0].unlike, undefined);
});

test('a comparison says when rows are not alike, and figures that are absent or zero have no ratio', () => {
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
      ['pairs', 0, 0],
    ],
  );
});

test('medians of odd and even lists', () => {
  assert.is(median([3, 1, 2]), 2);
  assert.is(median([4, 1, 3, 2]), 2.5);
  assert.ok(Number.isNaN(median([])));
});

test('the least traffic of a step, term by term', () => {
  const work = { gaussians: 1000, visible: 100, pairs: 300, pixels: 10, shDegree: 3 };
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

test('a .npz is read, stored and deflated', () => {
  const npz = zip([
    ['means3d.npy', npy('<f4', '2, 3', new Float32Array([1, 2, 3, 4, 5, 6.5])), false],
    ['colors.npy', npy('|u1', '3,', new Uint8Array([7, 8, 255])), true],
    ['width.npy', npy('<i8', '', new BigInt64Array([648n])), false],
  ]);
  // Beginning at an odd byte, as a part of a larger buffer.
  const shifted = new Uint8Array(npz.length + 1);
  shifted.set(npz, 1);
  const arrays = readNpz(shifted.subarray(1));
  assert.equal([...arrays.keys()], ['means3d', 'colors', 'width']);
  assert.equal(arrays.get('means3d'), { shape: [2, 3], data: new Float32Array([1, 2, 3, 4, 5, 6.5]) });
  assert.equal(arrays.get('colors'), { shape: [3], data: new Uint8Array([7, 8, 255]) });
  assert.equal(arrays.get('width'), { shape: [], data: new Float64Array([648]) });
});

test('what is no .npz, or of an unknown kind, is refused', () => {
  assert.throws(() => readNpz(new Uint8Array(100)), /not a zip/);
  assert.throws(() => readNpz(zip([['a.npy', npy('<c8', '1,', new Uint8Array(8)), false]])), /not known/);
  assert.throws(() => readNpz(zip([['a.npy', npy('<f4', '9,', new Uint8Array(8)), false]])), /ends early/);
  assert.throws(() => readNpz(zip([['a.txt', new Uint8Array(8), false]])), /no \.npy/);
});

test('a scene has the statistics that the issue asks for', () => {
  const points = formulaPoints(2000);
  for (const factor of [1, 4]) {
    const scene = makeScene(points, factor);
    assert.is(scene.count, 2000 * factor);
    for (const [name, width] of Object.entries(parameterWidths(3))) {
      const values = scene[name as keyof typeof scene] as Float32Array;
      assert.is(values.length, width * scene.count);
      assert.ok(
        values.every((value) => Number.isFinite(value)),
        name,
      );
    }
    const opacity = [...scene.opacityLogits].map((x) => 1 / (1 + Math.exp(-x)));
    assert.ok(Math.min(...opacity) > 0.0999 && Math.max(...opacity) < 0.9001);
    assert.ok(Math.abs(opacity.reduce((a, b) => a + b) / scene.count - 0.5) < 0.02);
    const rest = scene.sh.filter((_, i) => i % 48 >= 3);
    assert.ok(Math.abs(deviation(rest) - 0.02) < 5e-4, `sh ${deviation(rest)}`);
    assert.ok(Math.abs(deviation(scene.quats) - 1) < 0.03);
    for (let i = 0; i < scene.count; i += 37) {
      const s = points.spacing[i % 2000];
      assert.ok(Math.abs(Math.exp(scene.logScales[3 * i]) * Math.cbrt(factor) - s) < 1e-5 * s);
    }
    const scatter = scene.means.map((x, i) => {
      const j = i % 6000;
      return (x - points.positions[j]) / points.spacing[Math.floor(j / 3)];
    });
    if (factor === 1) assert.ok(scatter.every((x) => x === 0));
    else assert.ok(Math.abs(deviation(scatter) - 0.5) < 0.02, `scatter ${deviation(scatter)}`);
  }
});

test('s is the root mean square of the distances to the three nearest', () => {
  const { positions, spacing } = formulaPoints(300);
  for (const i of [0, 17, 299]) {
    const squares = Array.from({ length: 300 }, (_, j) =>
      [0, 1, 2].reduce((sum, k) => sum + (positions[3 * i + k] - positions[3 * j + k]) ** 2, 0),
    ).sort((a, b) => a - b);
    const s = Math.sqrt((squares[1] + squares[2] + squares[3]) / 3);
    assert.ok(Math.abs(spacing[i] / s - 1) < 1e-4);
  }
});

test('the camera takes the image factor', () => {
  const camera = cameraAt(formulaPoints(10), 1296);
  assert.equal([camera.width, camera.height], [1296, 840]);
  assert.ok(Math.abs(camera.fx - 961.22468) < 1e-4 && Math.abs(camera.cy - 420.125) < 1e-4);
});

testWithData(test, 'test_garden.npz', 'the garden is read', async (path) => {
  const points = loadPoints(path, 100);
  assert.is(points.source, 'garden');
  assert.is(points.count, Math.floor(POINTS / 100));
  assert.equal([points.camera.width, points.camera.height], [648, 420]);
  assert.equal(points.camera.viewmat.slice(12), [0, 0, 0, 1]);
  const { fx, fy, cx, cy } = points.camera;
  const formula = formulaPoints(10).camera;
  assert.ok(Math.hypot(fx - formula.fx, fy - formula.fy, cx - formula.cx, cy - formula.cy) < 1e-3);
});

test('as much of the formula is seen as of the garden, with as many pairs', () =>
  withGpu(async (gpu, arena) => {
    const points = formulaPoints(POINTS);
    const { count, ...rows } = makeScene(points, 1);
    const upload = (name: keyof typeof rows) => arena.upload(name, rows[name], 'test');
    const splat = {
      means: upload('means'),
      logScales: upload('logScales'),
      quats: upload('quats'),
      opacityLogits: upload('opacityLogits'),
      sh: upload('sh'),
    };
    // The garden's, by the same count.
    for (const [width, pairs] of [
      [648, 307_580],
      [1296, 719_729],
    ]) {
      const camera = cameraAt(points, width);
      const rasterizer = await Rasterizer.create(gpu, arena, {
        label: `rasterizer ${width}`,
        splat,
        counts: arena.upload('counts', new Uint32Array([count]), 'test'),
        rows: count,
        shDegree: 3,
        width: camera.width,
        height: camera.height,
        // No room: it says how much it needs, and draws nothing.
        intersections: 1,
        tile: 16,
        backward: false,
      });
      rasterizer.setView(camera);
      gpu.run('test', (recorder) => rasterizer.record(recorder));
      const counters = await gpu.readWords(rasterizer.counters, 'test');
      const touched = await gpu.readWords(rasterizer.internals.tileCounts, 'test', count);
      const visible = touched.reduce((sum, tiles) => sum + Math.min(1, tiles), 0);
      assert.ok(Math.abs(visible / 77_322 - 1) < 0.03, `${visible} visible`);
      assert.ok(Math.abs(counters[COUNTERS.NEEDED] / pairs - 1) < 0.03, `${counters[COUNTERS.NEEDED]} pairs`);
    }
  }));

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
    });
    assert.is(gpu.liveBytes, live, 'all buffers are gone');
    assert.equal(
      rows.map(({ id }) => id),
      [
        ...['step 1', 'render 1', 'sort depths 1', 'sort tiles 1', 'ssim 65×42', 'clip 65×42'],
        ...['step 2', 'render 2', 'sort depths 2', 'sort tiles 2'],
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
    assert.ok(step.pairs! >= step.visible!);
    assert.ok(step.memoryBytes! > 3 * 59 * 4 * 400);
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
    const same = formatComparison(result, JSON.parse(JSON.stringify(result)));
    assert.match(same, /wall ms .* 0\.0000 +0\.0 %/);
    assert.not.match(same, /warning/);
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

test('a step is measured by Gaussians and by pixels, and plotted; what does not fit is told', () =>
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

test('a plot is logarithmic in both directions, and refuses what has no logarithm', () => {
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

test('a scene of any number of Gaussians takes its points evenly', () => {
  const points = formulaPoints(1000);
  for (const factor of [0.3, 2.5]) {
    const { count, logScales } = makeScene(points, factor);
    assert.is(count, 1000 * factor);
    const taken = new Map<number, number>();
    for (let i = 0; i < count; i++) {
      const j = Math.floor(i / factor + 1e-9);
      taken.set(j, (taken.get(j) ?? 0) + 1);
      const scale = Math.exp(logScales[3 * i]) * Math.cbrt(factor);
      assert.ok(Math.abs(scale / points.spacing[j] - 1) < 1e-4, `${i}`);
    }
    const counts = [...taken.values()];
    assert.ok(Math.max(...counts) - Math.min(...counts) <= 1);
  }
});

test('the command compares two files, and refuses what makes no sense', async () => {
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
  for (const args of [
    ['--compare', a],
    ['--plot', a],
    ['--plot', a, folder],
    ['--only', 'nothing'],
    ['--rows', '6'],
    ['--steps', '0'],
    ['x'],
  ]) {
    assert.is((await command(...args)).exitCode, 2, args.join(' '));
  }
});

async function command(...args: string[]) {
  const cwd = fileURLToPath(new URL('../', import.meta.url));
  const run = ['--import', './pipeline/typescript.mjs', 'test/bench/run.ts'];
  return $({ cwd, nothrow: true })`${process.execPath} ${run} ${args}`;
}

function deviation(values: Float32Array): number {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length);
}

function npy(descr: string, shape: string, data: ArrayBufferView): Uint8Array {
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape}), }`;
  const header = Buffer.from(`${text.padEnd(117)}\n`);
  const length = Buffer.alloc(2);
  length.writeUInt16LE(header.length);
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return Buffer.concat([Buffer.from('\x93NUMPY\x01\x00', 'latin1'), length, header, bytes]);
}

/** A zip without checksums, which the reader does not look at; the local headers have an extra field. */
function zip(entries: readonly (readonly [string, Uint8Array, boolean])[]): Uint8Array {
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let at = 0;
  for (const [name, data, deflate] of entries) {
    const packed = deflate ? deflateRawSync(data) : data;
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(name.length, 26);
    local.writeUInt16LE(4, 28);
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt16LE(deflate ? 8 : 0, 10);
    entry.writeUInt32LE(packed.length, 20);
    entry.writeUInt32LE(data.byteLength, 24);
    entry.writeUInt16LE(name.length, 28);
    entry.writeUInt32LE(at, 42);
    directory.push(entry, Buffer.from(name));
    const written = [local, Buffer.from(name), Buffer.alloc(4), packed];
    parts.push(...written);
    at += written.reduce((sum, { length }) => sum + length, 0);
  }
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(
    directory.reduce((sum, { length }) => sum + length, 0),
    12,
  );
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...parts, ...directory, end]);
}

test.run();
