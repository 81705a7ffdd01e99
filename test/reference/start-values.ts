/** One opacity for all, and scales times a factor. */
export function startValues(
  splat: { opacityLogits: ArrayLike<number>; logScales: ArrayLike<number> },
  start: { opacity: number; scale: number },
) {
  const logit = Math.log(start.opacity / (1 - start.opacity));
  return {
    opacityLogits: Array.from(splat.opacityLogits, () => logit),
    logScales: Array.from(splat.logScales, (value) => Math.log(Math.exp(value) * start.scale)),
  };
}
