// transpose[c, r] = matrix[r, c] for a matrix [rows, columns], both row-major.

#include <grid>
#include <elementwise>

struct Sizes {
  count: u32,
  rows: u32,
  columns: u32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> matrix: array<f32>;
@group(0) @binding(2) var<storage, read_write> transposed: array<f32>;

fn computeElement(i: u32) {
  transposed[i] = matrix[i % sizes.rows * sizes.columns + i / sizes.rows];
}
