/** The error function to 1e-15: its power series, or the continued fraction of erfc beyond 2.5 (Abramowitz and Stegun 7.1.5, 7.1.14). */
export function erf(x: number): number {
  const t = Math.abs(x);
  if (t > 2.5) {
    let fraction = 0;
    for (let k = 100; k >= 1; k--) fraction = k / 2 / (t + fraction);
    return Math.sign(x) * (1 - Math.exp(-t * t) / (Math.sqrt(Math.PI) * (t + fraction)));
  }
  let term = x;
  let sum = x;
  for (let n = 1; n < 80; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

export function gelu(x: number): number {
  return 0.5 * x * (1 + erf(x / Math.SQRT2));
}

/** torch's gelu with approximate='tanh'. */
export function geluTanh(x: number): number {
  return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
}

export function quickGelu(x: number): number {
  return x / (1 + Math.exp(-1.702 * x));
}
