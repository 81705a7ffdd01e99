import { deflateRawSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parameterWidths } from '../stages/artefacts/gaussians.ts';
import { Rasterizer } from '../wgsl/splat/rasterizer.ts';
import { RASTER_COUNTERS } from '../wgsl/splat/types.ts';
import { readNpz } from './bench/npz.ts';
import { cameraAt, formulaPoints, loadPoints, makeScene, POINTS } from './bench/scene.ts';
import { withGpu } from './helpers/gpu.ts';
import { testWithData } from './helpers/shared-data.ts';

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

test('a file that is not an .npz, or has an unknown type, is refused', () => {
  assert.throws(() => readNpz(new Uint8Array(100)), /not a zip/);
  assert.throws(() => readNpz(zip([['a.npy', npy('<c8', '1,', new Uint8Array(8)), false]])), /not known/);
  assert.throws(() => readNpz(zip([['a.npy', npy('<f4', '9,', new Uint8Array(8)), false]])), /ends early/);
  assert.throws(() => readNpz(zip([['a.txt', new Uint8Array(8), false]])), /no \.npy/);
});

test('a scene has the statistics in docs/performance.md', () => {
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

test('the camera applies the image factor', () => {
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

test('the formula has as many visible Gaussians and intersections as the garden', () =>
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
    for (const [width, intersections] of [
      [648, 307_580],
      [1296, 719_729],
    ]) {
      const camera = cameraAt(points, width);
      const rasterizer = await Rasterizer.create(gpu, arena, {
        label: `rasterizer ${width}`,
        gaussians: splat,
        gaussianCount: arena.upload('gaussianCount', new Uint32Array([count]), 'test'),
        rows: count,
        shDegree: 3,
        width: camera.width,
        height: camera.height,
        // No room: it reports the required capacity, and draws nothing.
        intersections: 1,
        target: 'portable',
        tile: 16,
        backward: false,
      });
      rasterizer.setView(camera);
      gpu.run('test', (recorder) => rasterizer.record(recorder));
      const counters = await gpu.readWords(rasterizer.rasterCounters, 'test');
      const touched = await gpu.readWords(rasterizer.internals.tileCounts, 'test', count);
      const visible = touched.reduce((sum, tiles) => sum + Math.min(1, tiles), 0);
      assert.ok(Math.abs(visible / 77_322 - 1) < 0.03, `${visible} visible`);
      assert.ok(
        Math.abs(counters[RASTER_COUNTERS.NEEDED] / intersections - 1) < 0.03,
        `${counters[RASTER_COUNTERS.NEEDED]} intersections`,
      );
    }
  }));

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
