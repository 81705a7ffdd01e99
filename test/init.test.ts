import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { lookAt } from '../stages/artefacts/camera.ts';
import type { Dataset } from '../stages/artefacts/dataset.ts';
import { readGaussians, releaseGaussians } from '../stages/artefacts/gaussians.ts';
import { gaussiansFromPoints, randomPoints } from '../stages/init/init.ts';
import { neighbourDistances } from '../stages/init/nearest.ts';
import { init } from '../stages/init/stage.ts';
import { random4 } from '../wgsl/core/index.ts';
import { assertClose } from './helpers/close.ts';
import { withGpu } from './helpers/gpu.ts';
import { recordingReport } from './helpers/report.ts';
import { throwsInput } from './helpers/throws.ts';

function randomCloud(count: number, shape: (u: number) => number = (u) => u): Float32Array {
  const positions = new Float32Array(3 * count);
  for (let i = 0; i < count; i++) {
    positions.set(random4(5, 'init', 0, i).slice(0, 3).map(shape), 3 * i);
  }
  return positions;
}

/** All pairs, in double precision. */
function distancesByAllPairs(positions: Float32Array, k: number): number[] {
  const count = positions.length / 3;
  return Array.from({ length: count }, (_, i) => {
    const squared = Array.from({ length: count }, (_, j) =>
      [0, 1, 2].reduce((sum, c) => sum + (positions[3 * i + c] - positions[3 * j + c]) ** 2, 0),
    ).filter((_, j) => j !== i);
    const nearest = squared.sort((a, b) => a - b).slice(0, k);
    return nearest.length ? Math.sqrt(nearest.reduce((sum, d) => sum + d, 0) / nearest.length) : 0;
  });
}

test('the tree finds the same neighbours as all pairs do', () => {
  const clouds: Record<string, Float32Array> = {
    even: randomCloud(700),
    skewed: randomCloud(700, (u) => 1000 * u ** 6),
    'few distinct places': randomCloud(400, (u) => Math.floor(4 * u)),
    'in a plane': randomCloud(300).map((v, i) => (i % 3 === 1 ? 2 : v)),
    identical: new Float32Array(3 * 200).fill(0.3),
  };
  for (const count of [1, 2, 3, 4, 12, 13, 25, 26]) clouds[`${count} points`] = randomCloud(count);
  for (const [name, positions] of Object.entries(clouds)) {
    assertClose(
      neighbourDistances(positions, 3),
      distancesByAllPairs(positions, 3),
      { relative: 1e-6, absolute: 1e-12 },
      name,
    );
  }
  assert.is(neighbourDistances(new Float32Array(), 3).length, 0);
});

test('the time is about linear in the number of points, with and without duplicates', () => {
  const secondsOf = (count: number, shape: (u: number) => number) => {
    const positions = randomCloud(count, shape);
    const times = [0, 1].map(() => {
      const start = performance.now();
      neighbourDistances(positions, 3);
      return performance.now() - start;
    });
    return Math.min(...times);
  };
  for (const shape of [(u: number) => u ** 3, (u: number) => Math.floor(10 * u), () => 1]) {
    secondsOf(6_250, shape); // compiles
    // P·log P: 16 times the points take about 21 times as long; all pairs would take 256 times as long.
    const ratio = secondsOf(100_000, shape) / secondsOf(6_250, shape);
    assert.ok(ratio < 80, `16 times the points take ${ratio.toFixed(1)} times as long`);
  }
});

test('Gaussians from points: colour as band 0, scale from neighbours, neutral opacity', () => {
  const positions = new Float32Array([0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1]);
  const colors = new Uint8Array([255, 0, 128, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  const host = gaussiansFromPoints({ positions, colors }, 2, 1);
  assert.equal([host.count, host.shDegree, host.sh.length], [4, 2, 4 * 9 * 3]);
  assert.equal(host.means, positions);
  assert.equal([...host.quats], [1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]);
  assertClose(host.sh.subarray(0, 3), [0.5 / 0.28209479, -0.5 / 0.28209479, (128 / 255 - 0.5) / 0.28209479], {
    relative: 1e-6,
  });
  assert.ok(host.sh.subarray(3, 27).every((value) => value === 0));
  // The origin's neighbours are all 1 away; another corner's are 1, √2 and √2 away.
  const expected = [0, Math.log(Math.sqrt(5 / 3))];
  assertClose(
    [...host.logScales.subarray(0, 6)],
    [...Array(3).fill(expected[0]), ...Array(3).fill(expected[1])],
    {
      absolute: 1e-6,
    },
  );
  assertClose(host.opacityLogits, Array(4).fill(Math.log(0.1 / 0.9)), { relative: 1e-6 });
});

test('duplicated and lone points get the minimum scale, never the logarithm of 0', () => {
  const cloud = randomCloud(100);
  cloud.fill(0.5, 0, 3 * 8);
  const host = gaussiansFromPoints({ positions: cloud, colors: new Uint8Array(300) }, 0, 1);
  assert.ok(host.logScales.every(Number.isFinite));
  const sorted = [...host.logScales].sort((a, b) => a - b);
  assert.is(host.logScales[0], sorted[0]);
  for (const count of [1, 5]) {
    const same = { positions: new Float32Array(3 * count).fill(2), colors: new Uint8Array(3 * count) };
    assertClose(gaussiansFromPoints(same, 0, 7).logScales, Array(3 * count).fill(Math.log(7e-3)), {
      relative: 1e-6,
    });
  }
});

function dataset(eyes: [number, number, number][], center: [number, number, number]): Dataset {
  const views = eyes.map((eye, i) => ({
    name: `${i}`,
    split: 'train' as const,
    camera: { width: 8, height: 8, fx: 8, fy: 8, cx: 4, cy: 4, viewmat: lookAt(eye, center, [0, -1, 0]) },
    image: null,
  }));
  const points = { positions: new Float32Array(), colors: new Uint8Array() };
  return { views, points, up: [0, -1, 0], center, extent: 3 };
}

test('random points fill the cameras’ box evenly and repeat with the seed', () => {
  const scene = dataset(
    [
      [3, 0, 0],
      [-3, 0, 0],
      [0, 0, 6],
    ],
    [0, 0, 0],
  );
  const { positions, colors } = randomPoints(scene, 5000, 1);
  const half = [3, 2, 6]; // y: a third of the longest side
  for (let c = 0; c < 3; c++) {
    const values = Array.from({ length: 5000 }, (_, i) => positions[3 * i + c] / half[c]);
    assert.ok(values.every((v) => v >= -1 && v <= 1));
    assert.ok(Math.min(...values) < -0.98 && Math.max(...values) > 0.98);
    assert.ok(Math.abs(values.reduce((sum, v) => sum + v, 0) / 5000) < 0.03);
  }
  assert.ok(new Set(colors).size > 200);
  assert.equal(randomPoints(scene, 5000, 1).positions, positions);
  assert.not.equal(randomPoints(scene, 5000, 2).positions, positions);
  const oneSpot = randomPoints(dataset([[1, 1, 1]], [1, 1, 1]), 10, 1);
  assert.ok(new Set(oneSpot.positions).size > 20);
});

test('the stage returns Gaussians on the GPU, or an error with the reason', () =>
  withGpu(async (gpu) => {
    const empty = dataset([[0, 0, -2]], [0, 0, 0]);
    await throwsInput(() => init(gpu, { dataset: empty }), 'from: random');
    const image = gpu.buffer('photograph', 4);
    const photographed = { ...empty, views: empty.views.map((view) => ({ ...view, image })) };
    await throwsInput(() => init(gpu, { dataset: photographed }, { from: 'points' }), 'from: random');
    const report = recordingReport();
    const random = await init(gpu, { dataset: photographed }, { count: 8, shDegree: 0 }, { report });
    assert.equal(report.notes, ['8 Gaussians from random positions, because the capture has no points']);
    releaseGaussians(random);
    image.destroy();
    const splat = await init(
      gpu,
      { dataset: empty },
      { from: 'random', count: 64, shDegree: 1 },
      { seed: 9 },
    );
    assert.equal([splat.count, splat.shDegree, splat.sh.label], [64, 1, 'init/gaussians/sh']);
    const host = await readGaussians(gpu, splat, 'test');
    assert.equal(host.means, randomPoints(empty, 64, 9).positions);
    releaseGaussians(splat);
    const { positions, colors } = randomPoints(empty, 10, 3);
    const fromPoints = await init(gpu, { dataset: { ...empty, points: { positions, colors } } });
    assert.equal([fromPoints.count, fromPoints.shDegree], [10, 3]);
    releaseGaussians(fromPoints);
  }));

test.run();
