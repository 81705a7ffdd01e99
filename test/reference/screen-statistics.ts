/** Statistics [N,3] (Σ gradient, views, largest radius) after a view with `screen` [N,2]. */
export function screenStatistics(statistics: ArrayLike<number>, screen: ArrayLike<number>): Float64Array {
  const after = Float64Array.from(statistics);
  for (let i = 0; i < screen.length / 2; i++) {
    const [gradient, radius] = [screen[2 * i], screen[2 * i + 1]];
    if (radius === 0) continue;
    after[3 * i] += gradient;
    after[3 * i + 1] += 1;
    after[3 * i + 2] = Math.max(after[3 * i + 2], radius);
  }
  return after;
}
