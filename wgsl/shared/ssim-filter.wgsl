// The separable SSIM window over a tile of TILE_WIDTH × TILE_HEIGHT pixels, four neighbours at a time: 14 reads for 4 results, not
// 44. The kernel filters columns first, one a thread, from memory into `workspace`, then rows, from `workspace`. Both are
// unrolled by hand, because compilers move arrays and loops over taps out of registers. The including kernel includes ssim-window.

const RUN = 4u;
const PATCH_WIDTH = TILE_WIDTH + 2u * RADIUS;
// Odd, so that neighbouring threads, which read neighbouring rows, use different banks of workgroup memory.
const PITCH = PATCH_WIDTH | 1u;
const RUNS = TILE_WIDTH / RUN * TILE_HEIGHT;

var<workgroup> workspace: array<vec4f, PITCH * TILE_HEIGHT>; // at least THREADS

// A row of the tile from position `start` on, a multiple of RUN: four filtered values.
fn filteredRow(row: u32, start: u32) -> mat4x4f {
  let at = row * PITCH + start;
  let a = workspace[at];
  let b = workspace[at + 1u];
  let c = workspace[at + 2u];
  let d = workspace[at + 3u];
  let e = workspace[at + 4u];
  let f = workspace[at + 5u];
  let g = workspace[at + 6u];
  let h = workspace[at + 7u];
  let i = workspace[at + 8u];
  let j = workspace[at + 9u];
  let k = workspace[at + 10u];
  let l = workspace[at + 11u];
  let m = workspace[at + 12u];
  let n = workspace[at + 13u];
  return mat4x4f(
    windowMean(a, b, c, d, e, f, g, h, i, j, k),
    windowMean(b, c, d, e, f, g, h, i, j, k, l),
    windowMean(c, d, e, f, g, h, i, j, k, l, m),
    windowMean(d, e, f, g, h, i, j, k, l, m, n),
  );
}
