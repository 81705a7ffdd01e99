/** Opacity logits of which none is above that of `opacity`. */
export function resetOpacity(logits: ArrayLike<number>, opacity: number): number[] {
  return Array.from(logits, (logit) => Math.min(logit, Math.log(opacity / (1 - opacity))));
}
