/** Plain twin of splat/axis-quantiles: sorts. `means` [N,3]; weights are opacities as 0–255. */
export function axisQuantiles(
  means: ArrayLike<number>,
  opacityLogits: ArrayLike<number>,
  quantiles: readonly [number, number],
): { low: number[]; high: number[] } | null {
  const rows = Array.from(opacityLogits, (logit, i) => ({
    i,
    weight: Math.floor(255 / (1 + Math.exp(-logit)) + 0.5),
  }));
  const at = (axis: number, q: number) => {
    const points = rows
      .map(({ i, weight }) => ({ value: means[3 * i + axis], weight }))
      .filter(({ value }) => Number.isFinite(value))
      .sort((a, b) => a.value - b.value);
    const total = points.reduce((sum, { weight }) => sum + weight, 0);
    let below = 0;
    return points.find(({ weight }) => (below += weight) >= Math.max(1, q * total))?.value;
  };
  const [low, high] = quantiles.map((q) => [0, 1, 2].map((axis) => at(axis, q)));
  const known = (values: (number | undefined)[]) => values.filter((value) => value !== undefined);
  return known(low).length === 3 ? { low: known(low), high: known(high) } : null;
}
