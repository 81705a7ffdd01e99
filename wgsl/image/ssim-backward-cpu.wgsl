// Gradient of the photometric loss to the render (shared/ssim-gradient.wgsl), one tile a workgroup: a thread walks down a column
// of the tile, then along a row of it, as in ssim-forward-cpu.

#include <photometric>
#include <picture>
#include <ssim-gradient>
#include <ssim-window>

@group(0) @binding(0) var<uniform> picture: Picture;
@group(0) @binding(1) var<storage, read> render: array<f32>;
@group(0) @binding(2) var<storage, read> photo: array<u32>;
@group(0) @binding(3) var<storage, read> maps: array<f32>;
@group(0) @binding(4) var<storage, read_write> gradient: array<f32>;

var<workgroup> workspace: array<vec3f, THREADS * TILE_HEIGHT>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let size = vec2u(picture.width, picture.height);
  let origin = group.xy * vec2u(TILE_WIDTH, TILE_HEIGHT);
  let source = origin + vec2u(thread, 0u) - RADIUS; // wraps left of and above the picture
  let scales = gradientScales();

  for (var channel = 0u; channel < 3u; channel++) {
    var last = Window();
    for (var s = 0u; s < picture.reachDown; s++) {
      let next = mapValues(source + vec2u(0u, s), channel);
      if (s >= 2u * RADIUS) {
        workspace[(s - 2u * RADIUS) * THREADS + thread] = meanWith(last, next).xyz;
      }
      last = advanced(last, next);
    }
    workgroupBarrier();

    let y = origin.y + thread;
    if (thread < TILE_HEIGHT && y < size.y) {
      for (var s = 0u; s < picture.reachRight; s++) {
        let next = vec4f(workspace[thread * THREADS + s], 0.0);
        let x = origin.x + s - 2u * RADIUS;
        if (s >= 2u * RADIUS && x < size.x) {
          let filtered = meanWith(last, next);
          let pixel = y * size.x + x;
          storeGradient(pixel, channel, gradientOf(pixel, channel, filtered, scales));
        }
        last = advanced(last, next);
      }
    }
    workgroupBarrier(); // the next channel overwrites the workspace
  }
}
