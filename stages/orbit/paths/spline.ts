/** A curve through points [D]: smooth (C¹), cubic between its knots. */
export interface Spline {
  /** Parameters of the points, increasing; of a closed curve also that of the first point at the end. */
  knots: readonly number[];
  at(t: number): number[];
}

/**
 * Catmull–Rom spline. Tangents are those of the parabola through three neighbouring points, so knots may have any distances; with
 * knots at the square roots of the distances (centripetal, Yuksel et al. 2011) it has neither cusps nor loops.
 *
 * @param points of a closed curve, each once.
 * @param monotone limits tangents so that no coordinate leaves the range of neighbouring points (Fritsch and Butland 1984): a
 *   pause stays a pause.
 */
export function spline(
  points: readonly (readonly number[])[],
  knots: readonly number[],
  { closed = false, monotone = false }: { closed?: boolean; monotone?: boolean } = {},
): Spline {
  const n = points.length;
  const period = knots[knots.length - 1] - knots[0];
  const point = (i: number) => (closed ? points[((i % n) + n) % n] : points[i]);
  const knot = (i: number) => {
    if (!closed) return knots[i];
    const turn = Math.floor(i / n);
    return knots[i - n * turn] + turn * period;
  };
  const slope = (i: number, axis: number) => (point(i + 1)[axis] - point(i)[axis]) / (knot(i + 1) - knot(i));
  const tangent = (i: number, axis: number): number => {
    if (!closed && n === 1) return 0;
    if (!closed && i === 0) return slope(0, axis);
    if (!closed && i === n - 1) return slope(n - 2, axis);
    const [before, after] = [knot(i) - knot(i - 1), knot(i + 1) - knot(i)];
    const [a, b] = [slope(i - 1, axis), slope(i, axis)];
    if (!monotone) return (after * a + before * b) / (before + after);
    if (a * b <= 0) return 0;
    const [w1, w2] = [2 * after + before, after + 2 * before];
    return (w1 + w2) / (w1 / a + w2 / b);
  };
  const segments = closed ? n : n - 1;
  return {
    knots,
    at(t) {
      if (segments < 1) return [...points[0]];
      let i = 0;
      while (i < segments - 1 && t >= knots[i + 1]) i++;
      const length = knot(i + 1) - knot(i);
      const u = (t - knot(i)) / length;
      const [u2, u3] = [u * u, u * u * u];
      return point(i).map(
        (from, axis) =>
          (2 * u3 - 3 * u2 + 1) * from +
          (u3 - 2 * u2 + u) * length * tangent(i, axis) +
          (3 * u2 - 2 * u3) * point(i + 1)[axis] +
          (u3 - u2) * length * tangent(i + 1, axis),
      );
    },
  };
}

/** Centripetal knots: square roots of the distances, from 0. A closed curve has one more than points. */
export function centripetalKnots(distances: readonly number[]): number[] {
  const knots = [0];
  for (const distance of distances) knots.push(knots[knots.length - 1] + Math.sqrt(distance));
  return knots;
}

/** Samples of each interval between knots, for its length. */
const LENGTH_SAMPLES = 64;

/**
 * Parameters of `count` points that are evenly spaced along a curve, by the length of its chords. An open curve includes both ends; the
 * last point of a closed one is one step before its first.
 */
export function evenlySpaced(
  curve: (t: number) => readonly number[],
  knots: readonly number[],
  count: number,
  closed: boolean,
): number[] {
  const parameters = [knots[0]];
  const lengths = [0];
  let last = curve(knots[0]);
  for (let i = 0; i + 1 < knots.length; i++) {
    for (let k = 1; k <= LENGTH_SAMPLES; k++) {
      const t = knots[i] + ((knots[i + 1] - knots[i]) * k) / LENGTH_SAMPLES;
      const next = curve(t);
      const step = Math.hypot(...next.map((value, axis) => value - last[axis]));
      parameters.push(t);
      lengths.push(lengths[lengths.length - 1] + step);
      last = next;
    }
  }
  const total = lengths[lengths.length - 1];
  const steps = closed ? count : count - 1;
  let at = 0;
  return Array.from({ length: count }, (_, i) => {
    const wanted = steps ? (total * i) / steps : 0;
    while (at < lengths.length - 2 && lengths[at + 1] < wanted) at++;
    const span = lengths[at + 1] - lengths[at];
    const part = span > 0 ? (wanted - lengths[at]) / span : 0;
    return parameters[at] + part * (parameters[at + 1] - parameters[at]);
  });
}
