// One picture of the photometric loss. A picture is cut into tiles of TILE × TILE pixels, row by row.

struct Picture {
  width: u32,
  height: u32,
  dssim_weight: f32, // λ of (1 − λ)·L1 + λ·(1 − SSIM)
  ssim_count: f32, // windows that count, over all three channels
  // What a value adds to each of the four filtered values of a run, by its place before, in or after the run: the SSIM
  // window's taps, shifted. Read from a uniform, in a loop of a length that the compiler does not know, since it would
  // unroll the loop and software drivers compile the result for seconds.
  reach: u32, // RUN + 2·RADIUS
  window: array<vec4f, 14>,
}

const TILE = 16u;
