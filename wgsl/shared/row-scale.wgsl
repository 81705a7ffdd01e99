// Rows of f16 matrices in tiles of 16 × 16, divided by a power of two.

// The power of two that brings the largest magnitude of a row into [1/2, 1) when the row is divided by it; 0 for a row of zeros.
// At most 2^126, for a reciprocal that is a normal number: rows beyond 2^127 reach 4.
fn powerOfTwo(largest: f32) -> f32 {
  return select(0.0, ldexp(1.0, clamp(frexp(largest).exp, -100, 126)), largest > 0.0);
}

fn tiled(row: u32, column: u32, tiles: u32) -> u32 {
  return (row / 16u * tiles + column / 16u) * 256u + row % 16u * 16u + column % 16u;
}
