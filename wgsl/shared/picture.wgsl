// One picture of the photometric loss.

struct Picture {
  width: u32,
  height: u32,
  dssimWeight: f32, // λ of (1 − λ)·L1 + λ·(1 − SSIM)
  ssimCount: f32, // number of included windows, over all three channels
  tiles: u32, // number of partial sums, one a workgroup
  mapPitch: u32, // columns of a map, a multiple of 4
  // TILE_HEIGHT and TILE_WIDTH, and 10 more for the window. Uniforms, because compilers unroll a loop of known length, and
  // software drivers compile the result for seconds.
  reachDown: u32,
  reachRight: u32,
  background: vec3f, // behind a photograph that is composited
}

// A tile's numbers of compared pixels and of included windows, at most TILE_COUNT of each, in one f32.
const TILE_COUNT = 1024u;

fn packCounts(counts: vec3f) -> f32 {
  return counts.x + f32(TILE_COUNT) * counts.y;
}

fn unpackCounts(packed: f32) -> vec3f {
  let counts = u32(packed);
  return vec3f(f32(counts % TILE_COUNT), f32(counts / TILE_COUNT), 0.0);
}
