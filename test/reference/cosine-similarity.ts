/** Cosine of each row of x with its target (one for all, or one each). */
export function cosineSimilarity(x: Float64Array, targets: ArrayLike<number>, width: number): Float64Array {
  return Float64Array.from({ length: x.length / width }, (_, row) => {
    const start = targets.length > width ? row * width : 0;
    let [dot, squares] = [0, 0];
    for (let i = 0; i < width; i++) {
      dot += x[row * width + i] * targets[start + i];
      squares += x[row * width + i] ** 2;
    }
    return dot / Math.sqrt(squares);
  });
}
