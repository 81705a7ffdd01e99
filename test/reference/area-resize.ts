/** Plain twin of image/area-resize, before rounding: [height, width, 4], 0–255. */
export function areaMean(
  { width: fromWidth, height: fromHeight, rgba }: { width: number; height: number; rgba: ArrayLike<number> },
  width: number,
  height: number,
): Float64Array {
  const shares = (from: number, to: number, i: number) =>
    Array.from({ length: from }, (_, cell) => {
      const [start, end] = [(i * from) / to, ((i + 1) * from) / to];
      const share = Math.max(0, Math.min(end, cell + 1) - Math.max(start, cell)) / (end - start);
      return { cell, share };
    }).filter(({ share }) => share > 0);
  const out = new Float64Array(4 * width * height);
  for (let y = 0; y < height; y++) {
    const rows = shares(fromHeight, height, y);
    for (let x = 0; x < width; x++) {
      for (const column of shares(fromWidth, width, x)) {
        for (const row of rows) {
          for (let c = 0; c < 4; c++) {
            out[4 * (y * width + x) + c] +=
              column.share * row.share * rgba[4 * (row.cell * fromWidth + column.cell) + c];
          }
        }
      }
    }
  }
  return out;
}
