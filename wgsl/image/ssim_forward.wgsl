// SSIM of a render and a photograph (Wang et al. 2004; windows as in fused-ssim), one tile of 16×16 pixels a workgroup of
// 64 threads, channel by channel. The Gaussian window is separable: rows of the tile and its border of 5 are filtered
// into workgroup memory, columns into registers, four values of a run together.
//
// partials [tiles]: Σ|r − p|, Σ(r − p)², Σ SSIM over the tile's pixels and channels.
// maps [3 channels, 3, H, W], when asked for: d SSIM(window) / d (mean of r, mean of r², mean of r·p) at each window's
// centre.

#include <photometric>
#include <picture>
#include <tile_sum>

@group(0) @binding(0) var<uniform> picture: Picture;
@group(0) @binding(1) var<storage, read> render: array<f32>;
@group(0) @binding(2) var<storage, read> photo: array<u32>;
@group(0) @binding(3) var<storage, read_write> maps: array<f32>;
@group(0) @binding(4) var<storage, read_write> partials: array<vec4f>;

const C1 = 0.0001;
const C2 = 0.0009;

var<workgroup> patch_colours: array<vec2f, PATCH * PATCH>; // r, p of one channel
var<workgroup> row_moments: array<vec4f, PATCH * TILE>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let origin = group.xy * TILE;
  let run = vec2u(thread % TILE, thread / TILE * RUN); // of a column
  let pixels = picture.width * picture.height;
  var sums = vec3f();

  for (var channel = 0u; channel < 3u; channel++) {
    for (var i = thread; i < PATCH * PATCH; i += THREADS) {
      // Left of and above the picture this wraps to a large number, which is outside too.
      let source = origin + vec2u(i % PATCH, i / PATCH) - RADIUS;
      var colours = vec2f();
      if (source.x < picture.width && source.y < picture.height) {
        let pixel = source.y * picture.width + source.x;
        colours = vec2f(render_channel(pixel, channel), photo_channel(pixel, channel));
      }
      patch_colours[i] = colours;
    }
    workgroupBarrier();
    // Variances do not change when all values shift. About one of the tile's own colours, they keep their digits where the
    // picture is flat: E[r²] − E[r]² would lose them.
    let shift = patch_colours[PATCH * PATCH / 2u + PATCH / 2u];

    for (var i = thread; i < PATCH * TILE / RUN; i += THREADS) {
      let row = i / (TILE / RUN);
      let first = i % (TILE / RUN) * RUN;
      var filtered = array<vec4f, RUN>();
      for (var s = 0u; s < picture.reach; s++) {
        let moments = moments_of(patch_colours[row * PATCH + first + s] - shift);
        let taps = picture.window[s];
        filtered[0] += taps.x * moments;
        filtered[1] += taps.y * moments;
        filtered[2] += taps.z * moments;
        filtered[3] += taps.w * moments;
      }
      for (var k = 0u; k < RUN; k++) {
        row_moments[row * TILE + first + k] = filtered[k];
      }
    }
    workgroupBarrier();

    var filtered = array<vec4f, RUN>();
    for (var s = 0u; s < picture.reach; s++) {
      let moments = row_moments[(run.y + s) * TILE + run.x];
      let taps = picture.window[s];
      filtered[0] += taps.x * moments;
      filtered[1] += taps.y * moments;
      filtered[2] += taps.z * moments;
      filtered[3] += taps.w * moments;
    }
    for (var k = 0u; k < RUN; k++) {
      let at = origin + run + vec2u(0u, k);
      if (at.x < picture.width && at.y < picture.height) {
        let colours = patch_colours[(run.y + k + RADIUS) * PATCH + run.x + RADIUS];
        let difference = colours.x - colours.y;
        sums += vec3f(abs(difference), difference * difference, 0.0);
      }
      if (window_counts(at)) {
        let similarity = ssim(filtered[k], shift);
        sums.z += similarity.w;
        if (WITH_MAPS) {
          let place = 3u * channel * pixels + at.y * picture.width + at.x;
          maps[place] = similarity.x;
          maps[place + pixels] = similarity.y;
          maps[place + 2u * pixels] = similarity.z;
        }
      }
    }
    workgroupBarrier(); // the next channel overwrites the patch
  }

  let total = tile_sum(thread, sums);
  if (thread == 0u) {
    partials[group.y * groups.x + group.x] = vec4f(total, 0.0);
  }
}

// SSIM wants the variances' sum alone, so the squares are summed before they are filtered.
fn moments_of(colours: vec2f) -> vec4f {
  return vec4f(colours, dot(colours, colours), colours.x * colours.y);
}

// Of a window's shifted moments: dSSIM / d (mean of r, mean of r², mean of r·p), unshifted, and SSIM.
fn ssim(moments: vec4f, shift: vec2f) -> vec4f {
  let mean = moments.xy + shift;
  // SSIM = (a·b) / (c·d)
  let a = 2.0 * mean.x * mean.y + C1;
  let b = 2.0 * (moments.w - moments.x * moments.y) + C2;
  let c = dot(mean, mean) + C1;
  let d = moments.z - dot(moments.xy, moments.xy) + C2;
  let value = a * b / (c * d);
  let by_square = -value / d;
  let by_product = 2.0 * a / (c * d);
  // The variances hold the means too, and their derivative takes that share along.
  let by_mean = 2.0 * (mean.y * b / (c * d) - mean.x * value / c) - 2.0 * mean.x * by_square - mean.y * by_product;
  return vec4f(by_mean, by_square, by_product, value);
}
