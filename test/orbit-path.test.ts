import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type Camera,
  cameraCenter,
  cross,
  dot,
  lookAt,
  normalize,
  type Vec3,
} from '../stages/artefacts/camera.ts';
import { pictureSize } from '../stages/orbit/options.ts';
import { describeFraming, framed, framingOf, subjectPoints } from '../stages/orbit/paths/framing.ts';
import { coverage, fitRing, ringCameras, supportedRing } from '../stages/orbit/paths/ring.ts';
import { InputError } from '../wgsl/core/index.ts';
import { project } from './reference/warp-error.ts';

const UP: Vec3 = normalize([0.1, -1, 0.05]);
const CENTER: Vec3 = [1, 2, 3];
const SCENE = { up: UP, center: CENTER, extent: 5 };
const LENS = { width: 90, height: 160, fx: 120, fy: 120, cx: 45, cy: 80 };
const SIZE = { frames: 24, width: 320, height: 180 };

const add = (a: Vec3, b: Vec3, s = 1): Vec3 => [a[0] + s * b[0], a[1] + s * b[1], a[2] + s * b[2]];
const distance = (a: Vec3, b: Vec3) => Math.hypot(...add(a, b, -1));
const FRONT = normalize(cross(UP, [1, 0, 0]));

/** A point on a circle around CENTER: azimuth in degrees, 4 from the axis, 1 above. */
function around(degrees: number, radius = 4, height = 1): Vec3 {
  const angle = (degrees * Math.PI) / 180;
  const out = add(
    add([0, 0, 0], FRONT, radius * Math.cos(angle)),
    cross(UP, FRONT),
    radius * Math.sin(angle),
  );
  return add(add(CENTER, out), UP, height);
}
const looking = (eye: Vec3, target: Vec3 = CENTER): Camera => ({ ...LENS, viewmat: lookAt(eye, target, UP) });

test('up is up, right is right', () => {
  const camera = looking([1, 2, -5]);
  const at = (point: Vec3) => project(camera, point);
  const center = at(CENTER);
  assert.ok(Math.abs(center.x - LENS.cx) < 1e-9 && Math.abs(center.y - LENS.cy) < 1e-9 && center.z > 0);
  assert.ok(at(add(CENTER, UP, 0.3)).y < center.y, 'a point above the target has the smaller y');
  // Looking along +z with up −y, the world's +x is to the right.
  assert.ok(at(add(CENTER, [0.3, 0, 0])).x > center.x);
  assert.ok(at(add(CENTER, [0, 0, 1])).z > center.z);
});

test('lookAt is a rotation and cameraCenter inverts it', () => {
  const eye: Vec3 = [0.3, -2, 5];
  const viewmat = lookAt(eye, CENTER, UP);
  const rows = [0, 4, 8].map((r) => viewmat.slice(r, r + 3) as unknown as Vec3);
  rows.forEach((row, i) => {
    for (const [j, other] of rows.entries()) assert.ok(Math.abs(dot(row, other) - (i === j ? 1 : 0)) < 1e-12);
  });
  assert.ok(dot(cross(rows[0], rows[1]), rows[2]) > 0.999, 'right × down = forward');
  assert.ok(distance(cameraCenter({ ...LENS, viewmat }), eye) < 1e-12);
});

test('cameras all around define a full turn at their own radius, height and field of view', () => {
  const cameras = Array.from({ length: 12 }, (_, i) => looking(around(10 + 30 * i)));
  const ring = fitRing({ ...SCENE, cameras }, 'auto');
  assert.is(ring.arc, 2 * Math.PI);
  assert.is(ring.facing, 'in');
  const path = ringCameras(ring, SIZE);
  const eyes = path.map(cameraCenter);
  assert.ok(distance(eyes[0], around(10)) < 1e-9, 'it starts at the first camera');
  const [later] = ringCameras(fitRing({ ...SCENE, cameras }, 'auto', 90), SIZE).map(cameraCenter);
  assert.ok(
    distance(later, around(100)) < 1e-9 && distance(later, eyes[6]) < 1e-9,
    'or that many degrees on',
  );
  for (const [i, camera] of path.entries()) {
    const center = project(camera, CENTER);
    assert.ok(Math.abs(center.x - 160) < 1e-6 && Math.abs(center.y - 90) < 1e-6);
    assert.ok(project(camera, add(CENTER, UP, 0.1)).y < center.y);
    assert.ok(Math.abs(dot(add(eyes[i], CENTER, -1), UP) - 1) < 1e-9);
    assert.ok(Math.abs(distance(eyes[i], CENTER) - Math.hypot(4, 1)) < 1e-9);
  }
  // Evenly spaced, and the last step closes the circle.
  const steps = eyes.map((eye, i) => distance(eye, eyes[(i + 1) % eyes.length]));
  assert.ok(Math.max(...steps) - Math.min(...steps) < 1e-9);
  // The smaller side sees the same angle: 90 px at 120 px focal length, 180 px at 240.
  assert.ok(Math.abs(path[0].fx - 240) < 1e-9 && path[0].fx === path[0].fy);
});

test('cameras on one side define a swing over the arc that they cover, and it loops', () => {
  const cameras = [-25, -10, 0, 20, 35].map((degrees) => looking(around(degrees)));
  const ring = fitRing({ ...SCENE, cameras }, 'auto');
  assert.ok(Math.abs(ring.arc - (60 * Math.PI) / 180) < 1e-9, `arc ${ring.arc}`);
  const eyes = ringCameras(ring, SIZE).map(cameraCenter);
  assert.ok(distance(eyes[0], around(-25)) < 1e-9, 'it starts at one end');
  assert.ok(distance(eyes[6], around(5)) < 1e-9, 'and is in the middle after a quarter of the frames');
  const steps = eyes.map((eye, i) => distance(eye, eyes[(i + 1) % eyes.length]));
  assert.ok(steps[0] < 0.2 * steps[6] && steps[11] < 0.2 * steps[6], 'it is at rest at both ends');
  assert.ok(Math.min(...eyes.map((eye) => distance(eye, around(35)))) < 1e-9);
  assert.ok(Math.min(...eyes.map((eye) => distance(eye, around(-25)))) < 1e-9);
  assert.ok(
    eyes.every((eye) => dot(add(eye, CENTER, -1), add(around(5), CENTER, -1)) > 0),
    'never from behind',
  );
  assert.ok(distance(eyes[0], eyes[23]) < (1 + 1e-9) * distance(eyes[0], eyes[1]), 'it loops');
  assert.is(fitRing({ ...SCENE, cameras }, 'full').arc, 2 * Math.PI);
  assert.equal(fitRing({ ...SCENE, cameras }, 'auto', 90), ring, 'a swing has no other start');
  const all = Array.from({ length: 12 }, (_, i) => looking(around(30 * i)));
  assert.ok(fitRing({ ...SCENE, cameras: all }, 'swing').arc < 2 * Math.PI);
});

test('a room seen from its middle is shown looking outwards', () => {
  const cameras = Array.from({ length: 8 }, (_, i) => {
    const eye = around(45 * i, 0.5, 0);
    return looking(eye, add(eye, add(eye, CENTER, -1)));
  });
  const ring = fitRing({ ...SCENE, cameras }, 'auto');
  assert.is(ring.facing, 'out');
  for (const camera of ringCameras(ring, SIZE)) {
    assert.ok(project(camera, CENTER).z < 0);
    const outwards = add(cameraCenter(camera), add(cameraCenter(camera), CENTER, -1));
    assert.ok(project(camera, add(outwards, UP, 0.1)).y < project(camera, outwards).y);
  }
});

test('straight from above still has an up, one camera still has a path, and no ring is an error', () => {
  const above = [0, 90, 180, 270].map((degrees) => looking(around(degrees, 0.01, 5)));
  for (const camera of ringCameras(fitRing({ ...SCENE, cameras: above }, 'auto'), SIZE)) {
    assert.ok(project(camera, add(CENTER, UP, 0.1)).y < project(camera, CENTER).y - 0.5);
  }
  const lone = fitRing({ ...SCENE, cameras: [looking(around(40))] }, 'auto');
  assert.ok(lone.arc > 0 && lone.arc < 0.2);
  const stuck = [looking(add(CENTER, [0, 0, -1e-6]))];
  assert.throws(
    () => fitRing({ ...SCENE, cameras: stuck }, 'auto'),
    (error: Error) => error instanceof InputError && /path: bounds/.test(error.message),
  );
  assert.throws(() => fitRing({ ...SCENE, cameras: [] }, 'auto'), /no.*path: bounds|there are none/);
});

test('coverage finds the largest gap across the wrap', () => {
  const degrees = (values: number[]) => values.map((value) => (value * Math.PI) / 180);
  const { arc, gap, middle } = coverage(degrees([170, -170, 160]));
  assert.ok(Math.abs(arc - (30 * Math.PI) / 180) < 1e-9);
  assert.ok(Math.abs(gap - (330 * Math.PI) / 180) < 1e-9);
  assert.ok(Math.abs(Math.cos(middle) - Math.cos((175 * Math.PI) / 180)) < 1e-9);
});

/** A wall of points around CENTER, perpendicular to the view from azimuth 5°. */
function wall(width: number, height: number): Float32Array {
  const across = normalize(cross(UP, add(around(5, 1, 0), CENTER, -1)));
  const points: number[] = [];
  for (let i = 0; i <= 20; i++)
    for (let j = 0; j <= 20; j++)
      points.push(...add(add(CENTER, across, width * (i / 20 - 0.5)), UP, height * (j / 20 - 0.5)));
  return Float32Array.from(points);
}

test('the subject is what most photographs show, and a picture of another aspect shows it too', () => {
  const cameras = [-25, -10, 0, 5, 10, 20, 35].map((degrees) => looking(around(degrees)));
  // Portrait pictures: 3 wide and 5.3 high at the distance of CENTER.
  const [small, large] = [wall(1, 1.5), wall(12, 3)];
  const subject = subjectPoints(small, cameras);
  assert.is(subject.length, 441);
  const far = Float32Array.from([...small, ...wall(12, 3).subarray(0, 60)]);
  assert.is(
    subjectPoints(far, cameras).length,
    441,
    'points at the edge of few photographs do not belong to it',
  );
  assert.ok(subjectPoints(large, cameras).length < 200);
  const ring = fitRing({ ...SCENE, cameras }, 'swing');
  const same = framingOf(ringCameras(ring, { frames: 12, width: 90, height: 160 }), subject, UP);
  assert.equal(same, { zoom: 1 }, 'it fits');
  const tall = subjectPoints(wall(1, 4), cameras);
  const wide = ringCameras(ring, { frames: 12, width: 320, height: 180 });
  const framing = framingOf(wide, tall, UP);
  assert.ok(framing.zoom > 0.5 && framing.zoom < 0.85, `${framing.zoom}`);
  assertShown(framed(wide, framing, UP), tall);
  assert.equal(framingOf(wide, tall.slice(0, 20), UP), { zoom: 1 }, 'too few points');
  const near = framingOf(ringCameras({ ...ring, radius: 1, height: 0.3 }, SIZE), tall, UP);
  assert.equal([near.zoom, near.cut], [0.5, true], 'no field of view near 180°');
  assert.match(describeFraming(near), /focal length 50 % .* some frames cut the subject off/);
});

/** Every camera shows 99 % of the points, at least `margin` of its width and height from the border. */
function assertShown(cameras: readonly Camera[], points: readonly Vec3[], margin = 0.04) {
  for (const camera of cameras) {
    const { width, height } = camera;
    const shown = points.filter((point) => {
      const { x, y, z } = project(camera, point);
      const inside = (part: number) => part > margin - 1e-9 && part < 1 - margin + 1e-9;
      return z > 0 && inside(x / width) && inside(y / height);
    });
    assert.ok(shown.length >= 0.99 * points.length, `${shown.length} of ${points.length}`);
  }
}

test('what stands out from a wall towards the cameras stays in every frame of a swing', () => {
  // From the sides, photographs look at the wall and cut the tip off.
  const cameras = [-40, -30, -20, -10, 0, 10, 20, 30, 40, 50].map((degrees) => looking(around(5 + degrees)));
  const ahead = normalize(add(around(5, 1, 0), CENTER, -1));
  const horn: Vec3[] = Array.from({ length: 120 }, (_, i) => {
    const at = add(CENTER, ahead, (1.9 * (i + 1)) / 120);
    return add(at, UP, 0.1 * Math.sin(i));
  });
  const points = Float32Array.from([...wall(2, 2), ...horn.flat()]);
  const subject = subjectPoints(points, cameras);
  const tip = horn.slice(-12);
  assert.ok(tip.every((point) => subject.some((other) => distance(point, other) < 1e-5)));
  const picture = { frames: 24, width: 90, height: 160 };
  const ring = fitRing({ ...SCENE, cameras }, 'swing');
  const path = ringCameras(ring, picture);
  const cut = path.filter((camera) =>
    tip.some((point) => Math.abs(project(camera, point).x / picture.width - 0.5) > 0.5),
  );
  assert.ok(cut.length > 6 && cut.length < 24, `${cut.length} frames cut it off`);
  const framing = framingOf(path, subject, UP);
  const found = framed(path, framing, UP);
  assertShown(found, subject);
  assertShown(found, tip, 0.02);
  assert.ok(
    framing.target && dot(add(framing.target, CENTER, -1), ahead) > 0.3,
    'the aim is in front of the wall',
  );
  for (const [i, camera] of found.entries()) {
    assert.is(camera.fx, framing.zoom * path[i].fx, 'one focal length');
    assert.ok(
      distance(cameraCenter(camera), cameraCenter(path[i])) < 1e-9,
      'the cameras stay where they are',
    );
    const aim = project(camera, framing.target!);
    assert.ok(Math.abs(aim.x - 45) < 1e-6 && Math.abs(aim.y - 80) < 1e-6, 'one aim');
  }
  // At the old aim, the same would need a shorter focal length.
  const reach = Math.max(
    ...subject.flatMap((point) => path.map((camera) => Math.abs(project(camera, point).x / 45 - 1))),
  );
  assert.ok(framing.zoom > 1.2 / reach, `${framing.zoom} against ${1 / reach}`);
});

test('a swing ends where photographs no longer support the view', () => {
  const near = [-20, -10, 0, 10, 20].map((degrees) => looking(around(degrees)));
  // One photograph far to the side widens the arc, and does not support it alone.
  const cameras = [...near, looking(around(80, 4, 1))];
  const picture = { frames: 24, width: 90, height: 160 };
  const fitted = fitRing({ ...SCENE, cameras }, 'swing');
  assert.ok(Math.abs(fitted.arc - (100 * Math.PI) / 180) < 1e-6);
  const ring = supportedRing(fitted, cameras, picture);
  const degrees = (angle: number) => (angle * 180) / Math.PI;
  const ends = [ring.azimuth - ring.arc / 2, ring.azimuth + ring.arc / 2].map(degrees);
  const first = degrees(fitted.azimuth - fitted.arc / 2);
  assert.ok(Math.abs(ends[0] - first) < 1e-6, 'the supported end stays');
  assert.ok(ends[1] - first > 40 && ends[1] - first < 70, `${ends[1] - first}° of 100°`);
  const alone = supportedRing(fitRing({ ...SCENE, cameras: near }, 'swing'), near, picture);
  assert.ok(Math.abs(degrees(alone.arc) - 40) < 1e-6, 'photographs support what they cover');
  const wider = supportedRing(fitRing({ ...SCENE, cameras: near }, 'swing'), near, picture, (views) =>
    framed(views, { zoom: 0.5 }, UP),
  );
  assert.ok(degrees(wider.arc) < 39, 'a shorter focal length shows more than they support');
  const full = fitRing({ ...SCENE, cameras }, 'full');
  assert.is(supportedRing(full, cameras, picture), full);
});

test('the picture has the aspect of the photographs, in even numbers', () => {
  assert.equal(pictureSize(960, 16 / 9), { width: 960, height: 540 });
  assert.equal(pictureSize(960, 530 / 947), { width: 538, height: 960 });
  assert.equal(pictureSize([320, 180], 0.5), { width: 320, height: 180 });
  assert.equal(pictureSize(32, 100), { width: 32, height: 16 });
});

test.run();
