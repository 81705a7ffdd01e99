/** Eq. 9 of "3D Gaussian Splatting as Markov Chain Monte Carlo" (2024), as it is printed, with gsplat's clamp. */
export function relocation(
  opacity: number,
  ratio: number,
  minOpacity: number,
): { opacity: number; shrink: number } {
  const n = Math.min(ratio, 51);
  const shared = Math.min(Math.max(1 - (1 - opacity) ** (1 / n), minOpacity), 1 - 2 ** -23);
  let sum = 0;
  for (let i = 1; i <= n; i++) {
    for (let k = 0; k <= i - 1; k++) {
      sum += (binomial(i - 1, k) * (-1) ** k * shared ** (k + 1)) / Math.sqrt(k + 1);
    }
  }
  return { opacity: shared, shrink: opacity / sum };
}

function binomial(n: number, k: number): number {
  let value = 1;
  for (let i = 1; i <= k; i++) value = (value * (n - k + i)) / i;
  return value;
}
