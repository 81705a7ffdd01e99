// One picture of the photometric loss.

struct Picture {
  width: u32,
  height: u32,
  dssimWeight: f32, // λ of (1 − λ)·L1 + λ·(1 − SSIM)
  ssimCount: f32, // windows that count, over all three channels
  tiles: u32, // partial sums, one a workgroup
  mapPitch: u32, // columns of a map, a multiple of 4
  // TILE_HEIGHT and TILE_WIDTH of a serial kernel and the window's 10 more: read from here, since compilers unroll a loop
  // whose length they know, and software drivers compile the result for seconds.
  reachDown: u32,
  reachRight: u32,
}
