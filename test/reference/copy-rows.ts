export interface CopyInput {
  width: number;
  /** The row to copy from, or null. */
  sources: (number | null)[];
  drawn: ArrayLike<number>;
  forget: boolean;
}

/** Parameter and moments after copying rows from their sources. */
export function copyRows(
  { width, sources, drawn, forget }: CopyInput,
  values: ArrayLike<number>,
  moments: ArrayLike<number>,
): { values: number[]; moments: number[] } {
  const after = { values: Array.from(values), moments: Array.from(moments) };
  sources.forEach((source, row) => {
    for (let i = 0; i < width; i++) {
      if (source !== null) after.values[row * width + i] = values[source * width + i];
      if (source !== null || (forget && drawn[row] > 0)) after.moments[row * width + i] = 0;
    }
  });
  return after;
}
