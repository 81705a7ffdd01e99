/** Opacity logits, at most that of `opacity`. */
export function resetOpacity(logits: ArrayLike<number>, opacity: number): number[] {
  return Array.from(logits, (logit) => Math.min(logit, Math.log(opacity / (1 - opacity))));
}
