/** Below this length of a change the loss is linear in it, as in the kernel. */
const MIN_LENGTH = 0.05;

/** 1 − cos(e/|e| − b/|b|, direction) of each row of e [rows, width]; `base` is one row for all, or one each. */
export function directionLosses(
  embeds: ArrayLike<number>,
  base: ArrayLike<number>,
  direction: ArrayLike<number>,
): number[] {
  const width = direction.length;
  return Array.from({ length: embeds.length / width }, (_, row) => {
    const unit = (values: ArrayLike<number>, start: number) => {
      const part = Array.from({ length: width }, (_, i) => values[start + i]);
      return part.map((value) => value / Math.hypot(...part));
    };
    const before = unit(base, base.length > width ? row * width : 0);
    const change = unit(embeds, row * width).map((value, i) => value - before[i]);
    const along = change.reduce((sum, value, i) => sum + value * direction[i], 0);
    return 1 - along / Math.max(Math.hypot(...change), MIN_LENGTH);
  });
}
