// One camera and how to draw through it: what every splat kernel reads.
// OpenCV axes: x right, y down, z forward; pixel centres at +0.5.

struct View {
  // World → camera, the three upper rows of viewmat.
  row0: vec4f,
  row1: vec4f,
  row2: vec4f,
  // Camera centre in world coordinates.
  center: vec3f,
  // SH bands in use, at most SH_DEGREE.
  shDegree: u32,
  background: vec3f,
  // Gaussians that this step leaves out: in the highest byte how many of 256, below it the step's random number. 0: none.
  dropout: u32,
  focal: vec2f,
  principal: vec2f,
  // Pixels, and tiles that cover them.
  size: vec2u,
  tiles: vec2u,
}
