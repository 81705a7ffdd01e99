import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Camera, lookAt, type Vec3 } from '../stages/artefacts/camera.ts';
import { type Arena, random4 } from '../wgsl/core/index.ts';
import { relativePose, WarpError } from '../wgsl/image/warp-error.ts';
import { withGpu } from './helpers/gpu.ts';
import { type HostPicture, warpError } from './reference/warp-error.ts';

const WIDTH = 61;
const HEIGHT = 43;
const RULE = { minAlpha: 230, depthTolerance: 0.02 };

const cameraAt = (eye: Vec3): Camera => ({
  width: WIDTH,
  height: HEIGHT,
  fx: 60,
  fy: 58,
  cx: 29,
  cy: 22.5,
  viewmat: lookAt(eye, [0, 0, 4], [0, -1, 0]),
});

/**
 * A picture of the plane z = 5 with a painted pattern, in front of it a square at z = 4 over x < 0, and a hole in the
 * covering. Seen exactly, by intersecting each pixel's ray.
 */
function paint(eye: Vec3, shade: number): HostPicture {
  const camera = cameraAt(eye);
  const m = camera.viewmat;
  const color = new Uint32Array(WIDTH * HEIGHT);
  const depth = new Float32Array(WIDTH * HEIGHT);
  for (let y = 0; y < HEIGHT; y++) {
    for (let x = 0; x < WIDTH; x++) {
      const ray = [(x + 0.5 - camera.cx) / camera.fx, (y + 0.5 - camera.cy) / camera.fy, 1];
      const world = [0, 1, 2].map((j) => m[j] * ray[0] + m[4 + j] * ray[1] + m[8 + j] * ray[2]);
      const hit = (plane: number) => {
        const z = (plane - eye[2]) / world[2];
        return { z, x: eye[0] + z * world[0], y: eye[1] + z * world[1] };
      };
      const near = hit(4);
      const point = Math.abs(near.x + 0.7) < 0.5 && Math.abs(near.y) < 0.6 ? near : hit(5);
      const wave = (k: number) =>
        Math.round(255 * (0.5 + 0.4 * Math.sin(k * point.x + 2 * point.y + k)) * shade);
      const alpha = Math.hypot(point.x - 1, point.y) < 0.4 ? 120 : 255;
      color[y * WIDTH + x] = (wave(2) | (wave(3) << 8) | (wave(4) << 16) | (alpha << 24)) >>> 0;
      depth[y * WIDTH + x] = alpha < 200 ? 0 : point.z;
    }
  }
  return { camera, color, depth };
}

const upload = (arena: Arena, name: string, { camera, color, depth }: HostPicture) => ({
  camera,
  color: arena.upload(`${name}/color`, color, 'test'),
  depth: arena.upload(`${name}/depth`, depth, 'test'),
});

test('agrees with the plain reference, and pairs do not mix', () =>
  withGpu(async (gpu, arena) => {
    const pictures = [paint([0, 0, 0], 1), paint([0.2, -0.1, 0.1], 1), paint([0.35, 0, 0], 0.8)];
    const onGpu = pictures.map((picture, i) => upload(arena, `${i}`, picture));
    const warp = await WarpError.create(gpu, 'test', { width: WIDTH, height: HEIGHT, pairs: 3, ...RULE });
    warp.measure(onGpu[0], onGpu[1]);
    warp.measure(onGpu[1], onGpu[2]);
    warp.measure(onGpu[0], onGpu[0]);
    assert.throws(() => warp.measure(onGpu[0], onGpu[1]), /3 pairs/);
    const sums = await warp.read();
    for (const [pair, a, b] of [
      [0, 0, 1],
      [1, 1, 2],
    ]) {
      const expected = warpError(pictures[a], pictures[b], RULE);
      // A pixel whose sample or depth sits on a limit may fall on the other side in f32.
      assert.ok(
        Math.abs(sums[pair].covisible - expected.covisible) <= 2,
        `${sums[pair].covisible} ${expected.covisible}`,
      );
      assert.is(sums[pair].covered, expected.covered);
      assert.ok(Math.abs(sums[pair].squared - expected.squared) <= 2e-3 * expected.squared + 1e-4);
      assert.ok(expected.covisible > 0.5 * WIDTH * HEIGHT && expected.covisible < 0.95 * WIDTH * HEIGHT);
    }
    // The same scene from elsewhere differs by resampling only; a darker one by its shade.
    const rmse = sums.map(({ squared, covisible }) => Math.sqrt(squared / (3 * covisible)));
    assert.ok(rmse[0] < 0.01, `rmse ${rmse[0]}`);
    assert.ok(rmse[1] > 0.05, `rmse ${rmse[1]}`);
    assert.ok(rmse[2] < 1e-6, `rmse ${rmse[2]}`);
    assert.equal(await warp.read(), []);
    warp.destroy();
  }));

test('two runs give the same bits', () =>
  withGpu(async (gpu, arena) => {
    const a = upload(arena, 'a', paint([0, 0, 0], 1));
    const b = upload(arena, 'b', paint([0.3, 0.1, 0], 0.9));
    const warp = await WarpError.create(gpu, 'test', { width: WIDTH, height: HEIGHT, pairs: 2, ...RULE });
    warp.measure(a, b);
    warp.measure(a, b);
    const [first, second] = await warp.read();
    assert.equal(first, second);
    assert.ok(first.squared > 0);
    warp.destroy();
  }));

test('the relative pose maps B space to A space', () => {
  const eye = (i: number) => random4(5, 'noise', 1, i).slice(0, 3) as unknown as Vec3;
  const a = lookAt(eye(0), [0, 0, 4], [0, -1, 0]);
  const b = lookAt(eye(1), [1, 0, 4], [0.1, -1, 0]);
  const rows = relativePose(a, b);
  const world = [0.3, -0.7, 2.1, 1];
  const through = (m: readonly number[], p: number[]) =>
    [0, 4, 8].map((r) => m[r] * p[0] + m[r + 1] * p[1] + m[r + 2] * p[2] + m[r + 3] * p[3]);
  const expected = through(a, world);
  through(rows, [...through(b, world), 1]).forEach((value, i) => {
    assert.ok(Math.abs(value - expected[i]) < 1e-12);
  });
});

test.run();
