// A batch of square crops of one picture, each SIDE × SIDE, by affine maps with orthogonal axes: the source position (pixels,
// centres at +0.5) of output position (u, v) is origin + u·axis_x + v·axis_y. `reach` is the half width of the triangle filter
// along the two axes, in source pixels.

struct Crop {
  axis_x: vec2f,
  axis_y: vec2f,
  origin: vec2f,
  reach: vec2f,
}

struct Picture {
  width: u32,
  height: u32,
  channel_mean: vec3f,
  channel_deviation: vec3f,
}
