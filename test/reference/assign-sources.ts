/**
 * For each row its source or null. The rows to give away, those without a score and then those behind the last, take the rows of the
 * highest scores in turn, ties by number; a score of 0 is none.
 */
export function assignSources(scores: readonly (number | null)[], rows: number): (number | null)[] {
  const best = scores
    .map((score, row) => ({ score: score ?? 0, row }))
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score || a.row - b.row)
    .map(({ row }) => row);
  return Array.from({ length: rows }, (_, row) => {
    if (row < scores.length && scores[row] !== null) return null;
    return best.shift() ?? null;
  });
}
