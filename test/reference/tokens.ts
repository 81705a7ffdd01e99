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

/** Class embedding, then patches, each plus its position's embedding. */
export function imageTokens(
  patches: Float64Array,
  batch: number,
  width: number,
  classEmbedding: ArrayLike<number>,
  positions: ArrayLike<number>,
): Float64Array {
  const count = patches.length / batch / width;
  const tokens: number[] = [];
  for (let b = 0; b < batch; b++) {
    for (let t = 0; t <= count; t++) {
      for (let c = 0; c < width; c++) {
        const value = t ? patches[(b * count + t - 1) * width + c] : classEmbedding[c];
        tokens.push(value + positions[t * width + c]);
      }
    }
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
