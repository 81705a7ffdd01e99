// Partial sums of the normal equations that fit an exposure to a photograph: for each of 8 words, Σ over the pixels group·THREADS + thread,
// then GROUPS·THREADS further on, and so on: a fixed order. With c the colour of the picture and p that of the photograph:
// r·c, (g·g, g·b, b·b), c, p.r·c, p.g·c, p.b·c, p, (1, 0, 0). MASKED: without the pixels that the photograph masks.

#include <tile-sum>
#include <exposure>

@group(0) @binding(0) var<uniform> view: ExposureView;
@group(0) @binding(1) var<storage, read> color: array<vec4f>;
// rgba8.
@group(0) @binding(2) var<storage, read> photo: array<u32>;
@group(0) @binding(3) var<storage, read_write> partials: array<vec4f>;

const SUMS = 8u;
var<workgroup> workspace: array<vec4f, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  var sums = array<vec3f, SUMS>();
  for (var i = group.x * THREADS + thread; i < view.pixels; i += GROUPS * THREADS) {
    if (MASKED && photo[i] >> 24u != 255u) { continue; }
    let c = color[i].rgb;
    let p = unpack4x8unorm(photo[i]).rgb;
    sums[0] += c.r * c;
    sums[1] += vec3f(c.g * c.gb, c.b * c.b);
    sums[2] += c;
    sums[3] += p.r * c;
    sums[4] += p.g * c;
    sums[5] += p.b * c;
    sums[6] += p;
    sums[7].x += 1.0;
  }
  for (var k = 0u; k < SUMS; k++) {
    let total = tileSum(thread, sums[k]);
    if (thread == 0u) { partials[SUMS * group.x + k] = vec4f(total, 0.0); }
    workgroupBarrier();
  }
}
