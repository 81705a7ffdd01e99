/** Plain twin of splat/edit/blend-rows, in double precision: base + weight·(styled − base). */
export function blendRows(
  base: ArrayLike<number>,
  styled: ArrayLike<number>,
  weightOf: (row: number) => number,
  width: number,
): number[] {
  return Array.from(base, (value, i) => value + weightOf(Math.floor(i / width)) * (styled[i] - value));
}
