/** The curves of camera paths, and the orientation of their cameras. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { cameraCenter, cross, subtract, type Vec3 } from '../stages/artefacts/camera.ts';
import { quaternionOf, viewmatOf } from '../stages/orbit/paths/pose.ts';
import { centripetalKnots, evenlySpaced, spline } from '../stages/orbit/paths/spline.ts';

const near = (a: number, b: number, tolerance = 1e-9, message = '') =>
  assert.ok(Math.abs(a - b) <= tolerance, `${message} ${a} is not ${b}`);
const distance = (a: Vec3, b: Vec3) => Math.hypot(...subtract(a, b));
const spread = (values: readonly number[]) => Math.max(...values) / Math.min(...values) - 1;

test('quaternions and viewmats are inverse to each other, for all four largest components', () => {
  for (const q of [
    [0.9, 0.1, -0.3, 0.2],
    [0.1, 0.9, 0.3, -0.2],
    [-0.1, 0.2, 0.9, 0.3],
    [0.1, 0.2, -0.3, 0.9],
  ]) {
    const length = Math.hypot(...q);
    const unit = q.map((value) => value / length) as unknown as [number, number, number, number];
    const eye: Vec3 = [1, -2, 3];
    const viewmat = viewmatOf(eye, unit);
    assert.ok(
      distance(cameraCenter({ width: 40, height: 40, fx: 50, fy: 50, cx: 20, cy: 20, viewmat }), eye) < 1e-12,
    );
    // Rotating by q·v·q⁻¹, written out, gives the axes that the viewmat has as rows.
    const [w, ...xyz] = unit;
    const axis = xyz as unknown as Vec3;
    for (const [k, v] of (
      [
        [1, 0, 0],
        [0, 1, 0],
        [0, 0, 1],
      ] as Vec3[]
    ).entries()) {
      const t = cross(axis, v).map((value) => 2 * value) as unknown as Vec3;
      const rotated = cross(axis, t).map((value, i) => v[i] + w * t[i] + value);
      rotated.forEach((value, i) => {
        near(viewmat[4 * k + i], value, 1e-12);
      });
    }
    const back = quaternionOf({ viewmat });
    near(Math.abs(back.reduce((sum, value, i) => sum + value * unit[i], 0)), 1, 1e-12);
  }
});

test('a spline passes its points, is smooth there, and even spacing is even by arc length', () => {
  const points = [
    [0, 0],
    [1, 2],
    [4, 2.5],
    [4, -1],
    [5, -3],
  ];
  for (const closed of [false, true]) {
    const ends = closed ? [...points, points[0]] : points;
    const knots = centripetalKnots(
      ends.slice(1).map(([x, y], i) => Math.hypot(x - ends[i][0], y - ends[i][1])),
    );
    const curve = spline(points, knots, { closed });
    knots.forEach((knot, i) => {
      curve.at(knot).forEach((value, axis) => {
        near(value, ends[i][axis], 1e-12);
      });
    });
    const inner = closed ? knots.slice(0, -1) : knots.slice(1, -1);
    for (const knot of inner) {
      const h = 1e-6;
      // Of a closed curve the end continues at the start.
      const left = knot === 0 ? knots[knots.length - 1] : knot;
      for (const axis of [0, 1]) {
        const before = (curve.at(left)[axis] - curve.at(left - h)[axis]) / h;
        const after = (curve.at(knot + h)[axis] - curve.at(knot)[axis]) / h;
        near(before, after, 1e-4, 'velocity');
      }
    }
    const count = 40;
    const parameters = evenlySpaced((t) => curve.at(t), knots, count, closed);
    // A plain sum of 20,000 chords between neighbours.
    const lengthOf = (from: number, to: number) => {
      let sum = 0;
      let last = curve.at(from);
      for (let k = 1; k <= 500; k++) {
        const next = curve.at(from + ((to - from) * k) / 500);
        sum += Math.hypot(next[0] - last[0], next[1] - last[1]);
        last = next;
      }
      return sum;
    };
    const stops = closed ? [...parameters, knots[knots.length - 1]] : parameters;
    const lengths = stops.slice(1).map((to, i) => lengthOf(stops[i], to));
    assert.ok(spread(lengths) < 2e-3, `${closed}: ${spread(lengths)}`);
    near(parameters[0], 0);
    if (!closed) near(parameters[count - 1], knots[knots.length - 1], 1e-12);
  }
});

test('the monotone spline does not overshoot: a pause stays a pause', () => {
  const curve = spline([[0], [3], [3], [10]], [0, 1, 4, 5], { monotone: true });
  for (let t = 1; t <= 4; t += 0.1) near(curve.at(t)[0], 3, 1e-12);
  for (let t = 0; t < 5; t += 0.05) assert.ok(curve.at(t + 0.05)[0] >= curve.at(t)[0] - 1e-12);
});

test.run();
