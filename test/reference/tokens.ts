/** [B, C, S, S] → [B·⌊S/p⌋², C·p²], by loops over patches. */
export function patchify(
  pixels: ArrayLike<number>,
  batch: number,
  channels: number,
  side: number,
  patch: number,
) {
  const grid = Math.floor(side / patch);
  const patches: number[] = [];
  for (let b = 0; b < batch; b++) {
    for (let cell = 0; cell < grid * grid; cell++) {
      const [top, left] = [Math.floor(cell / grid) * patch, (cell % grid) * patch];
      for (let c = 0; c < channels; c++) {
        for (let y = top; y < top + patch; y++) {
          for (let x = left; x < left + patch; x++)
            patches.push(pixels[((b * channels + c) * side + y) * side + x]);
        }
      }
    }
  }
  return Float64Array.from(patches);
}

/** Class embedding if there is one, then patches, each plus its position's embedding. */
export function imageTokens(
  patches: Float64Array,
  batch: number,
  width: number,
  classEmbedding: ArrayLike<number> | undefined,
  positions: ArrayLike<number>,
): Float64Array {
  const count = patches.length / batch / width;
  const tokens: number[] = [];
  for (let b = 0; b < batch; b++) {
    const rows = Array.from({ length: count }, (_, i) =>
      patches.subarray((b * count + i) * width, (b * count + i + 1) * width),
    );
    const embedded: ArrayLike<number>[] = classEmbedding ? [classEmbedding, ...rows] : rows;
    embedded.forEach((row, t) => {
      for (let c = 0; c < width; c++) tokens.push(row[c] + positions[t * width + c]);
    });
  }
  return Float64Array.from(tokens);
}

export function textTokens(
  ids: readonly number[][],
  embeddings: ArrayLike<number>,
  positions: ArrayLike<number>,
  width: number,
) {
  return Float64Array.from(
    ids.flatMap((row) =>
      row.flatMap((id, t) =>
        Array.from({ length: width }, (_, c) => embeddings[id * width + c] + positions[t * width + c]),
      ),
    ),
  );
}

/** Row `indices[b]` of each sequence. */
export function pool(
  tokens: Float64Array,
  indices: readonly number[],
  length: number,
  width: number,
): Float64Array {
  return Float64Array.from(
    indices.flatMap((index, b) => [
      ...tokens.subarray((b * length + index) * width, (b * length + index + 1) * width),
    ]),
  );
}
