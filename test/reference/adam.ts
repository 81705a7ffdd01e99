/** Adam in double precision, as torch.optim.Adam (no weight decay, no amsgrad). Works in place. */
export function adamStep(
  { parameters, m, v }: { parameters: Float64Array; m: Float64Array; v: Float64Array },
  gradients: ArrayLike<number>,
  t: number,
  rate: (i: number) => number,
  { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-15 } = {},
): void {
  for (let i = 0; i < parameters.length; i++) {
    m[i] = beta1 * m[i] + (1 - beta1) * gradients[i];
    v[i] = beta2 * v[i] + (1 - beta2) * gradients[i] ** 2;
    const denominator = Math.sqrt(v[i]) / Math.sqrt(1 - beta2 ** t) + epsilon;
    parameters[i] -= ((rate(i) / (1 - beta1 ** t)) * m[i]) / denominator;
  }
}

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
