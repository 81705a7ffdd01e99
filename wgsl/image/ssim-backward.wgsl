// Gradient of the photometric loss to the render (shared/ssim-gradient.wgsl), one tile a workgroup, channel by channel: filters
// the maps of ssim-forward down the columns, then along the rows (shared/ssim-filter.wgsl).

#include <photometric>
#include <picture>
#include <ssim-filter>
#include <ssim-gradient>
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
  let source = origin + vec2u(thread, 0u) - RADIUS; // wraps left of and above the picture
  let scales = gradientScales();

  for (var channel = 0u; channel < 3u; channel++) {
    if (thread < PATCH_WIDTH) {
      var a = mapValues(source, channel);
      var b = mapValues(source + vec2u(0u, 1u), channel);
      var c = mapValues(source + vec2u(0u, 2u), channel);
      var d = mapValues(source + vec2u(0u, 3u), channel);
      var e = mapValues(source + vec2u(0u, 4u), channel);
      var f = mapValues(source + vec2u(0u, 5u), channel);
      var g = mapValues(source + vec2u(0u, 6u), channel);
      var h = mapValues(source + vec2u(0u, 7u), channel);
      var i = mapValues(source + vec2u(0u, 8u), channel);
      var j = mapValues(source + vec2u(0u, 9u), channel);
      for (var row = 0u; row < TILE_HEIGHT; row += RUN) {
        let k = mapValues(source + vec2u(0u, row + 10u), channel);
        let l = mapValues(source + vec2u(0u, row + 11u), channel);
        let m = mapValues(source + vec2u(0u, row + 12u), channel);
        let n = mapValues(source + vec2u(0u, row + 13u), channel);
        let at = row * PITCH + thread;
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
      let filtered = filteredRow(row, at.x - origin.x);
      let first = min(at.y, size.y - 1u) * size.x;
      let x = at.x + vec4u(0u, 1u, 2u, 3u);
      let pixel = first + min(x, vec4u(size.x - 1u));
      let value = vec4f(
        gradientOf(pixel.x, channel, filtered[0], scales),
        gradientOf(pixel.y, channel, filtered[1], scales),
        gradientOf(pixel.z, channel, filtered[2], scales),
        gradientOf(pixel.w, channel, filtered[3], scales),
      );
      if (at.y < size.y) {
        if (x.x < size.x) { storeGradient(pixel.x, channel, value.x); }
        if (x.y < size.x) { storeGradient(pixel.y, channel, value.y); }
        if (x.z < size.x) { storeGradient(pixel.z, channel, value.z); }
        if (x.w < size.x) { storeGradient(pixel.w, channel, value.w); }
      }
    }
    workgroupBarrier(); // the next channel overwrites the workspace
  }
}
