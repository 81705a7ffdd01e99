/** A row's score: null for a dead row, otherwise its mean screen gradient. */
export function splitScores(
  statistics: ArrayLike<number>,
  opacityLogits: ArrayLike<number>,
  { deadOpacity, minViews }: { deadOpacity: number; minViews: number },
): (number | null)[] {
  return Array.from({ length: opacityLogits.length }, (_, row) => {
    const [gradient, views] = [statistics[3 * row], statistics[3 * row + 1]];
    const opacity = 1 / (1 + Math.exp(-opacityLogits[row]));
    return opacity <= deadOpacity || views < minViews ? null : gradient / Math.max(1, views);
  });
}
