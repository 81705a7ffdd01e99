/** OPACITY·mean(sigmoid(opacityLogits)) + SCALE·mean(exp(logScales)) and its gradients, in double precision. */
export function regularize(
  opacityLogits: ArrayLike<number>,
  logScales: ArrayLike<number>,
  weights: { opacity: number; scale: number },
) {
  const opacities = Float64Array.from(opacityLogits, (logit) => 1 / (1 + Math.exp(-logit)));
  const scales = Float64Array.from(logScales, Math.exp);
  const mean = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0) / values.length;
  return {
    loss: weights.opacity * mean(opacities) + weights.scale * mean(scales),
    opacityLogits: opacities.map((o) => (weights.opacity / opacities.length) * o * (1 - o)),
    logScales: scales.map((s) => (weights.scale / scales.length) * s),
  };
}
