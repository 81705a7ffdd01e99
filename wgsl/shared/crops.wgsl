// A batch of square crops of one picture, each SIDE × SIDE, by affine maps with orthogonal axes: the source position (pixels,
// centres at +0.5) of output position (u, v) is origin + u·axisX + v·axisY. `reach` is the half width of the triangle filter
// along the two axes, in source pixels.

struct Crop {
  axisX: vec2f,
  axisY: vec2f,
  origin: vec2f,
  reach: vec2f,
}

struct Picture {
  width: u32,
  height: u32,
  // Number of the step from 1, or 0.
  step: u32,
  channelMean: vec3f,
  channelDeviation: vec3f,
}
