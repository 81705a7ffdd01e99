// Directional loss of rows of embeddings e against those of a base b, and its gradient:
//   d = e/|e| − b/|b|,  loss = 1 − d·t / max(|d|, MIN_LENGTH)
// with one direction t of unit length. Adds weight/rows · dloss/de to `gradEmbeds`. A row whose loss is below the threshold has
// loss and gradient 0. Below MIN_LENGTH the loss is linear in d: its gradient stays finite where render and base are equal.

#include <grid>
#include <rowwise>
#include <finite>

struct Sizes {
  rows: u32,
  width: u32,
  // Row of e that is row 0 here.
  firstRow: u32,
  // The width, or 0 where all rows share one b.
  baseStride: u32,
  // Row of b that belongs to row 0 here.
  firstBase: u32,
  weight: f32,
  threshold: f32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> embeds: array<f32>;
@group(0) @binding(2) var<storage, read> base: array<f32>;
@group(0) @binding(3) var<storage, read> direction: array<f32>;
@group(0) @binding(4) var<storage, read_write> losses: array<f32>;
@group(0) @binding(5) var<storage, read_write> gradEmbeds: array<f32>;

fn computeRow(row: Row) {
  let start = (sizes.firstRow + row.index) * sizes.width;
  let baseStart = (sizes.firstBase + row.index) * sizes.baseStride;
  var squares = vec2f();
  for (var i = row.lane; i < sizes.width; i += LANES) {
    let pair = vec2f(embeds[start + i], base[baseStart + i]);
    squares += pair * pair;
  }
  let inverseLength = reciprocalRoot(max(rowSum(row, squares.x), 1e-24));
  let inverseBase = reciprocalRoot(max(rowSum(row, squares.y), 1e-24));
  // Σ d·t, Σ d², Σ u·t, Σ u·d, where u = e/|e|.
  var sums = vec4f();
  for (var i = row.lane; i < sizes.width; i += LANES) {
    let u = embeds[start + i] * inverseLength;
    let d = u - base[baseStart + i] * inverseBase;
    let t = direction[i];
    sums += vec4f(d * t, d * d, u * t, u * d);
  }
  let along = rowSum(row, sums.x);
  let length = sqrt(rowSum(row, sums.y));
  let unitAlong = rowSum(row, sums.z);
  let unitChange = rowSum(row, sums.w);
  if (!row.exists) {
    return;
  }
  let divisor = max(length, MIN_LENGTH);
  let loss = 1.0 - along / divisor;
  // A non-finite loss is counted, so that its gradient reaches the check for overflow of the model.
  let isCounted = loss >= sizes.threshold || !isFinite(loss);
  if (row.lane == 0u) {
    losses[row.index] = select(0.0, loss, isCounted);
  }
  if (!isCounted) {
    return;
  }
  // dloss/dd = −(t − towards·d)/divisor, projected on the tangent of the unit sphere at u.
  let towards = select(0.0, along / (length * length), length > MIN_LENGTH);
  let radial = unitAlong - towards * unitChange;
  let scale = -sizes.weight / f32(sizes.rows) / divisor * inverseLength;
  for (var i = row.lane; i < sizes.width; i += LANES) {
    let u = embeds[start + i] * inverseLength;
    let d = u - base[baseStart + i] * inverseBase;
    gradEmbeds[start + i] += scale * (direction[i] - towards * d - radial * u);
  }
}
