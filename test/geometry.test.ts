import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { robustBounds } from '../stages/artefacts/bounds.ts';
import { type Camera, cameraCenter, lookAt, type Vec3 } from '../stages/artefacts/camera.ts';
import { emptyGaussians } from '../stages/artefacts/gaussians.ts';
import { viewmatOf } from '../stages/load/colmap/images.ts';
import { sceneFrame } from '../stages/load/geometry.ts';
import { ringCameras } from '../stages/load/rings.ts';
import { random4 } from '../wgsl/core/index.ts';
import { assertClose } from './helpers/close.ts';

const NO_POINTS = new Float32Array();
const NEVER = (text: string) => {
  throw new Error(text);
};

function camera(eye: Vec3, target: Vec3, up: Vec3 = [0, -1, 0]): Camera {
  return { width: 40, height: 30, fx: 50, fy: 50, cx: 20, cy: 15, viewmat: lookAt(eye, target, up) };
}

function project({ fx, fy, cx, cy, viewmat: m }: Camera, [x, y, z]: readonly number[]): number[] {
  const [u, v, w] = [0, 4, 8].map((r) => m[r] * x + m[r + 1] * y + m[r + 2] * z + m[r + 3]);
  return [(fx * u) / w + cx, (fy * v) / w + cy, w];
}

test('a quaternion and a translation become world → camera, in COLMAP’s convention', () => {
  // 90° about z takes x to y; the length of the quaternion does not matter.
  const m = viewmatOf({ quat: [3, 0, 0, 3], translation: [1, 2, 3] });
  assertClose(m, [0, -1, 0, 1, 1, 0, 0, 2, 0, 0, 1, 3, 0, 0, 0, 1], { absolute: 1e-12 });
  const tilted = viewmatOf({ quat: [0.5, 0.1, -0.7, 0.2], translation: [0.3, -2, 5] });
  const center = cameraCenter({ ...camera([0, 0, -1], [0, 0, 0]), viewmat: tilted });
  assertClose(
    [0, 4, 8].map(
      (r) => tilted[r] * center[0] + tilted[r + 1] * center[1] + tilted[r + 2] * center[2] + tilted[r + 3],
    ),
    [0, 0, 0],
    { absolute: 1e-12 },
  );
});

test('cameras around an object: the centre is the point they look at, in any orientation', () => {
  const target: Vec3 = [5, -2, 1];
  const up: Vec3 = [0, 0.6, 0.8];
  const eyes = Array.from({ length: 12 }, (_, i): Vec3 => {
    const [a, b] = [Math.cos((i * Math.PI) / 6), Math.sin((i * Math.PI) / 6)];
    return [5 + 3 * a, -2 + 3 * 0.8 * b, 1 - 3 * 0.6 * b]; // a circle about `up`
  });
  const frame = sceneFrame(
    eyes.map((eye) => camera(eye, target, up)),
    NO_POINTS,
    NEVER,
  );
  assertClose(frame.center, target, { absolute: 1e-9 });
  assertClose(frame.up, up, { absolute: 1e-9 });
  assert.ok(Math.abs(frame.extent - 3.3) < 1e-9);
});

test('the centre of parallel and diverging cameras is the middle of their points', () => {
  const points = new Float32Array([0, 0, 3, 0, 0, 5, 0, 0, 9, 0, 0, -50]);
  const parallel = [-1, 0, 1].map((x) => camera([x, 0, 0], [x, 0, 8]));
  assertClose(sceneFrame(parallel, points, NEVER).center, [0, 0, 5], { absolute: 1e-9 });
  const diverging = [-1, 0, 1].map((x) => camera([x, 0, 0], [2 * x, 0, 4]));
  assertClose(sceneFrame(diverging, points, NEVER).center, [0, 0, 5], { absolute: 1e-9 });
  assertClose(sceneFrame(parallel, NO_POINTS, NEVER).center, [0, 0, 1], { absolute: 1e-9 });
});

test('cameras that define no geometry get a fallback and a warning', () => {
  const warnings: string[] = [];
  const one = sceneFrame([camera([0, 0, 0], [0, 0, 1])], new Float32Array([0, 0, 6]), (text) =>
    warnings.push(text),
  );
  assert.is(one.extent, 6);
  assert.match(warnings[0], 'all 1 cameras are at one position');
  const upAndDown = [camera([1, 0, 0], [0, 0, 0]), camera([-1, 0, 0], [0, 0, 0], [0, 1, 0])];
  assert.equal(sceneFrame(upAndDown, NO_POINTS, NEVER).up, [0, -1, 0]);
});

test('bounds follow the opacity, not the floaters', () => {
  const host = emptyGaussians(2000, 0);
  for (let i = 0; i < 2000; i++) {
    const floater = i % 10 === 0;
    const u = random4(3, 'init', 0, i);
    for (let c = 0; c < 3; c++) host.means[3 * i + c] = (floater ? 1000 : 1) * (2 * u[c] - 1) + [7, 8, 9][c];
    host.opacityLogits[i] = floater ? -8 : 3;
  }
  const { center, radius } = robustBounds(host);
  assertClose(center, [7, 8, 9], { absolute: 0.05 });
  assert.ok(radius > 1 && radius < Math.sqrt(3), `${radius}`);
});

test('bounds of a large splat are sampled evenly', () => {
  const host = emptyGaussians(450_000, 0);
  for (let i = 0; i < host.count; i++) host.means[3 * i] = i / host.count;
  const { center, radius } = robustBounds(host);
  assertClose(center, [0.5, 0, 0], { absolute: 1e-3 });
  assert.ok(Math.abs(radius - 0.475) < 2e-3);
});

test('ring cameras look at the centre, upright, and the sphere fits', () => {
  const [center, radius]: [Vec3, number] = [[1, 2, 3], 2];
  const cameras = ringCameras({ center, radius, count: 48, width: 60, height: 40 });
  assert.is(cameras.length, 48);
  const places = new Set(
    cameras.map((c) =>
      cameraCenter(c)
        .map((v) => v.toFixed(6))
        .join(),
    ),
  );
  assert.is(places.size, 48);
  const [first] = cameras.map(cameraCenter);
  assert.ok(Math.abs(first[0] - center[0]) < 1e-9 && first[2] < center[2], 'the first is in front, at −z');
  for (const c of cameras) {
    const [x, y, distance] = project(c, center);
    assertClose([x, y], [30, 20], { absolute: 1e-9 });
    // Points above (y points down) are higher in the picture.
    assert.ok(project(c, [1, 1.5, 3])[1] < 20);
    const edge = (c.fy * radius) / Math.sqrt(distance ** 2 - radius ** 2);
    assert.ok(edge < 20 && edge > 18, `the sphere reaches ${edge} of 20 pixels`);
  }
  const above = cameras.filter((c) => cameraCenter(c)[1] < center[1]).length;
  assert.ok(above > 36 && above < 48, `${above} of 48 look from above, some from below`);
  for (const count of [1, 2, 5]) {
    assert.is(ringCameras({ center, radius, count, width: 8, height: 8 }).length, count);
  }
});

test.run();
