/** Plain twin of image/balance-gradients, in double precision: first/‖first‖ + weight·second/‖second‖. */
export function balanceGradients(
  first: ArrayLike<number>,
  second: ArrayLike<number>,
  weight: number,
): number[] {
  const norms = [first, second].map((gradient) => Math.hypot(...Array.from(gradient)));
  const part = (value: number, norm: number) => (norm ? value / norm : 0);
  return Array.from(first, (value, i) => part(value, norms[0]) + weight * part(second[i], norms[1]));
}
