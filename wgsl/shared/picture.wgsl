// One picture of the photometric loss.

struct Picture {
  width: u32,
  height: u32,
  dssim_weight: f32, // λ of (1 − λ)·L1 + λ·(1 − SSIM)
  ssim_count: f32, // windows that count, over all three channels
  tiles: u32, // partial sums, one a workgroup
  map_pitch: u32, // columns of a map, a multiple of 4
  // TILE_HEIGHT and TILE_WIDTH of a serial kernel and the window's 10 more: read from here, since compilers unroll a loop
  // whose length they know, and software drivers compile the result for seconds.
  reach_down: u32,
  reach_right: u32,
}
