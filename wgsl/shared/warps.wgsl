// A batch of square crops of one picture, each SIDE × SIDE, by homographies.

struct Warp {
  // Output position (u, v, 1) → source position in pixels, homogeneous; centres are at +0.5.
  row0: vec3f,
  row1: vec3f,
  row2: vec3f,
  // The inverse matrix.
  inverse0: vec3f,
  inverse1: vec3f,
  inverse2: vec3f,
  // Lower bounds of `inverseReach` over the crop.
  leastReach: vec2f,
}

struct WarpedPicture {
  width: u32,
  height: u32,
  // Number of the step from 1, or 0.
  step: u32,
  // The crop of the batch that is warp 0 here.
  first: u32,
  channelMean: vec3f,
  channelDeviation: vec3f,
}

// Weight of a source position in the filter of an output position. `inverseReach` is the denominator of the homography at the output
// position over the half width of the filter, in output pixels. For a homography P with the denominator w, the difference
// P(q) − P(o) is J(o)·(q − o)·w(o)/w(q), so the local coordinates of the source position P(q) are exactly (q − o)·w(o)/w(q).
fn filterWeight(warp: Warp, position: vec2f, output: vec2f, inverseReach: vec2f) -> f32 {
  let source = vec3f(position, 1.0);
  let place = vec2f(dot(warp.inverse0, source), dot(warp.inverse1, source));
  let offset = (place - output * dot(warp.inverse2, source)) * inverseReach;
  let weights = max(vec2f(0.0), 1.0 - abs(offset));
  return weights.x * weights.y;
}
