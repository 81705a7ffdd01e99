/** The numbers of the entries whose mark is 1, ascending. */
export function placeRows(marks: ArrayLike<number>): number[] {
  return Array.from(marks, (mark, i) => (mark ? i : -1)).filter((i) => i >= 0);
}
