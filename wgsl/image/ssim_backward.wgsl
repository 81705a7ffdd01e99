// Gradient of (1 − λ)·L1 + λ·(1 − SSIM) to the render, one tile of 16×16 pixels a workgroup of 64 threads. A pixel lies in
// the windows of all its neighbours: with ssim_forward's maps m, s, q (derivatives by the mean, the mean square and the
// mean product) and the window w, dΣSSIM/dr = (w∗m) + 2r·(w∗s) + p·(w∗q). The window is symmetric, so the filter is the
// forward one.
//
// gradient [H, W, 4]: overwritten; the alpha entry is 0. L1's derivative at r = p is 0.

#include <photometric>
#include <picture>

@group(0) @binding(0) var<uniform> picture: Picture;
@group(0) @binding(1) var<storage, read> render: array<f32>;
@group(0) @binding(2) var<storage, read> photo: array<u32>;
@group(0) @binding(3) var<storage, read> maps: array<f32>;
@group(0) @binding(4) var<storage, read_write> gradient: array<f32>;

// By the mean and the mean square, and apart by the mean product: a vec3f would take the room of a vec4f.
var<workgroup> patch_squares: array<vec2f, PATCH * PATCH>;
var<workgroup> patch_products: array<f32, PATCH * PATCH>;
var<workgroup> row_squares: array<vec2f, PATCH * TILE>;
var<workgroup> row_products: array<f32, PATCH * TILE>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let origin = group.xy * TILE;
  let run = vec2u(thread % TILE, thread / TILE * RUN); // of a column
  let pixels = picture.width * picture.height;
  let l1_scale = (1.0 - picture.dssim_weight) / (3.0 * f32(pixels));
  let ssim_scale = -picture.dssim_weight / picture.ssim_count;

  for (var channel = 0u; channel < 3u; channel++) {
    for (var i = thread; i < PATCH * PATCH; i += THREADS) {
      let source = origin + vec2u(i % PATCH, i / PATCH) - RADIUS;
      var squares = vec2f();
      var product = 0.0;
      if (window_counts(source)) {
        let place = 3u * channel * pixels + source.y * picture.width + source.x;
        squares = vec2f(maps[place], maps[place + pixels]);
        product = maps[place + 2u * pixels];
      }
      patch_squares[i] = squares;
      patch_products[i] = product;
    }
    workgroupBarrier();

    for (var i = thread; i < PATCH * TILE / RUN; i += THREADS) {
      let row = i / (TILE / RUN);
      let first = i % (TILE / RUN) * RUN;
      var filtered = array<vec3f, RUN>();
      for (var s = 0u; s < picture.reach; s++) {
        let place = row * PATCH + first + s;
        let value = vec3f(patch_squares[place], patch_products[place]);
        let taps = picture.window[s];
        filtered[0] += taps.x * value;
        filtered[1] += taps.y * value;
        filtered[2] += taps.z * value;
        filtered[3] += taps.w * value;
      }
      for (var k = 0u; k < RUN; k++) {
        row_squares[row * TILE + first + k] = filtered[k].xy;
        row_products[row * TILE + first + k] = filtered[k].z;
      }
    }
    workgroupBarrier();

    var filtered = array<vec3f, RUN>();
    for (var s = 0u; s < picture.reach; s++) {
      let place = (run.y + s) * TILE + run.x;
      let value = vec3f(row_squares[place], row_products[place]);
      let taps = picture.window[s];
      filtered[0] += taps.x * value;
      filtered[1] += taps.y * value;
      filtered[2] += taps.z * value;
      filtered[3] += taps.w * value;
    }
    for (var k = 0u; k < RUN; k++) {
      let at = origin + run + vec2u(0u, k);
      if (at.x < picture.width && at.y < picture.height) {
        let pixel = at.y * picture.width + at.x;
        let r = render_channel(pixel, channel);
        let p = photo_channel(pixel, channel);
        let by_ssim = filtered[k].x + 2.0 * r * filtered[k].y + p * filtered[k].z;
        gradient[4u * pixel + channel] = l1_scale * sign(r - p) + ssim_scale * by_ssim;
        if (channel == 0u) {
          gradient[4u * pixel + 3u] = 0.0;
        }
      }
    }
  }
}
