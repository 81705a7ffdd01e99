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
