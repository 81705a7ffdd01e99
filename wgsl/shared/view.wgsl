// One camera and its render settings, the input of every splat kernel.
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
  // Dropout of this step: in the highest byte the share in 256ths, below it the step's random number. 0: none.
  dropout: u32,
  focal: vec2f,
  principal: vec2f,
  // Pixels, and tiles that cover them.
  size: vec2u,
  tiles: vec2u,
}
