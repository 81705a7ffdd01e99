// Gradient of (1 − λ)·L1 + λ·(1 − SSIM) to the render, one tile a workgroup, channel by channel. A pixel lies in the windows
// of all its neighbours: with ssimForward's maps m, s, q (derivatives by the mean, the mean square and the mean product)
// and the window w, dΣSSIM/dr = (w∗m) + 2r·(w∗s) + p·(w∗q). The window is symmetric, so the filter is the forward one.
//
// maps [3 channels, 3, H, mapPitch]: ssimForward's, from column MAP_LEFT on.
// gradient [H, W, 4]: overwritten; the alpha entry is 0. L1's derivative at r = p is 0.

#include <photometric>
#include <picture>
#include <ssim-filter>
#include <ssim-window>

@group(0) @binding(0) var<uniform> picture: Picture;
@group(0) @binding(1) var<storage, read> render: array<f32>;
@group(0) @binding(2) var<storage, read> photo: array<u32>;
@group(0) @binding(3) var<storage, read> maps: array<f32>;
@group(0) @binding(4) var<storage, read_write> gradient: array<f32>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let size = vec2u(picture.width, picture.height);
  let origin = group.xy * vec2u(TILE_WIDTH, TILE_HEIGHT);
  let column = thread % COLUMNS;
  let band = thread / COLUMNS * BAND;
  let source = origin + vec2u(column, band) - RADIUS; // wraps left of and above the picture
  let l1Scale = (1.0 - picture.dssimWeight) / f32(3u * size.x * size.y);
  let ssimScale = -picture.dssimWeight / picture.ssimCount;

  for (var channel = 0u; channel < 3u; channel++) {
    if (column < PATCH_WIDTH) {
      var a = derivatives(source, channel);
      var b = derivatives(source + vec2u(0u, 1u), channel);
      var c = derivatives(source + vec2u(0u, 2u), channel);
      var d = derivatives(source + vec2u(0u, 3u), channel);
      var e = derivatives(source + vec2u(0u, 4u), channel);
      var f = derivatives(source + vec2u(0u, 5u), channel);
      var g = derivatives(source + vec2u(0u, 6u), channel);
      var h = derivatives(source + vec2u(0u, 7u), channel);
      var i = derivatives(source + vec2u(0u, 8u), channel);
      var j = derivatives(source + vec2u(0u, 9u), channel);
      for (var row = 0u; row < BAND; row += RUN) {
        let k = derivatives(source + vec2u(0u, row + 10u), channel);
        let l = derivatives(source + vec2u(0u, row + 11u), channel);
        let m = derivatives(source + vec2u(0u, row + 12u), channel);
        let n = derivatives(source + vec2u(0u, row + 13u), channel);
        let at = (band + row) * PITCH + column;
        workspace[at] = windowMean(a, b, c, d, e, f, g, h, i, j, k);
        workspace[at + PITCH] = windowMean(b, c, d, e, f, g, h, i, j, k, l);
        workspace[at + 2u * PITCH] = windowMean(c, d, e, f, g, h, i, j, k, l, m);
        workspace[at + 3u * PITCH] = windowMean(d, e, f, g, h, i, j, k, l, m, n);
        a = e;
        b = f;
        c = g;
        d = h;
        e = i;
        f = j;
        g = k;
        h = l;
        i = m;
        j = n;
      }
    }
    workgroupBarrier();

    for (var run = thread; run < RUNS; run += THREADS) {
      let row = run % TILE_HEIGHT;
      let at = origin + vec2u(run / TILE_HEIGHT * RUN, row);
      let filtered = transpose(filteredRow(row, at.x - origin.x));
      let pixel = min(at.y, size.y - 1u) * size.x + min(at.x + vec4u(0u, 1u, 2u, 3u), vec4u(size.x - 1u));
      let r = vec4f(
        renderChannel(pixel.x, channel),
        renderChannel(pixel.y, channel),
        renderChannel(pixel.z, channel),
        renderChannel(pixel.w, channel),
      );
      let p = vec4f(
        photoChannel(pixel.x, channel),
        photoChannel(pixel.y, channel),
        photoChannel(pixel.z, channel),
        photoChannel(pixel.w, channel),
      );
      let bySsim = filtered[0] + 2.0 * r * filtered[1] + p * filtered[2];
      let value = l1Scale * sign(r - p) + ssimScale * bySsim;
      if (at.y < size.y) {
        store(at, 0u, channel, value.x);
        store(at, 1u, channel, value.y);
        store(at, 2u, channel, value.z);
        store(at, 3u, channel, value.w);
      }
    }
    workgroupBarrier(); // the next channel overwrites the workspace
  }
}

fn store(at: vec2u, k: u32, channel: u32, value: f32) {
  if (at.x + k < picture.width) {
    let pixel = at.y * picture.width + at.x + k;
    gradient[4u * pixel + channel] = value;
    if (channel == 0u) {
      gradient[4u * pixel + 3u] = 0.0;
    }
  }
}

// The maps' three values; 0 where the window does not count. They hold the zeros at the right themselves.
fn derivatives(at: vec2u, channel: u32) -> vec4f {
  let pitch = picture.mapPitch;
  let x = at.x - MAP_LEFT; // wraps left of it
  if (x >= pitch || at.y < MARGIN || at.y >= picture.height - MARGIN) {
    return vec4f();
  }
  let plane = pitch * picture.height;
  let place = 3u * channel * plane + at.y * pitch + x;
  return vec4f(maps[place], maps[place + plane], maps[place + 2u * plane], 0.0);
}
