/** Rows of `width` numbers in the order of `origins` (modulo `count`); with `fresh`, rows of origins ≥ count are 0. */
export function gatherRows(
  values: ArrayLike<number>,
  width: number,
  count: number,
  origins: ArrayLike<number>,
  fresh: boolean,
): number[] {
  return Array.from(origins).flatMap((origin) =>
    Array.from({ length: width }, (_, i) =>
      fresh && origin >= count ? 0 : values[(origin % count) * width + i],
    ),
  );
}
