// Gradient of the blending, tile by tile, without atomics. One workgroup a tile. Splats go back to front in chunks:
//   1. a thread a pixel walks the chunk, recovers each splat's transmittance, and leaves two numbers per (splat, pixel) in
//      workgroup memory: the blending weight and the gradient to the exponent;
//   2. the threads split up the chunk's (splat, pixel) table by splat and sum nine moments in a fixed order.
// Each pair's sums go to its place before the tile sort, so that a Gaussian's pairs lie in a row for the next kernel.
// Moments: weight·(dr, dg, db), and e, e·dx, e·dy, e·dx², e·dx·dy, e·dy² with e the gradient to the exponent and d = mean − pixel.
#include <grid>
#include <view>
#include <projection>

@group(0) @binding(0) var<uniform> view: View;
@group(0) @binding(1) var<storage, read> tileStarts: array<u32>;
@group(0) @binding(2) var<storage, read> sortedPairs: array<u32>;
@group(0) @binding(3) var<storage, read> gaussian_from_pair: array<u32>;
@group(0) @binding(4) var<storage, read> splats: array<vec4f>;
@group(0) @binding(5) var<storage, read> transmittance: array<f32>;
@group(0) @binding(6) var<storage, read> looked: array<u32>;
// [H, W]: dL/dr, dL/dg, dL/db, dL/dalpha.
@group(0) @binding(7) var<storage, read> gradient: array<vec4f>;
@group(0) @binding(8) var<storage, read_write> moments: array<f32>;

const PIXELS = TILE * TILE;
const LANES = u32(PIXELS / CHUNK);
const MOMENTS = 9u;

struct Entry { weight: f32, exponent: f32 }

var<workgroup> chunk: array<array<vec4f, 3>, CHUNK>;
var<workgroup> pairs_of: array<u32, CHUNK>;
var<workgroup> entries: array<array<Entry, PIXELS>, CHUNK>;
var<workgroup> pixels: array<vec3f, PIXELS>;
var<workgroup> sums: array<array<f32, PIXELS>, MOMENTS>;
var<workgroup> range: vec2u;
var<workgroup> deepest: atomic<u32>;

@compute @workgroup_size(TILE, TILE)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let tile = linear_group(group, groups);
  if (tile >= view.tiles.x * view.tiles.y) { return; }
  let corner = vec2u(tile % view.tiles.x, tile / view.tiles.x) * u32(TILE);
  let pixel = corner + local.xy;
  let at = vec2f(pixel) + 0.5;

  var t = 1.0;
  var seen = 0u;
  var g = vec4f(0.0);
  if (all(pixel < view.size)) {
    let i = pixel.y * view.size.x + pixel.x;
    t = transmittance[i];
    seen = looked[i];
    g = gradient[i];
  }
  pixels[lane] = g.rgb;
  atomicMax(&deepest, seen);
  if (lane == 0u) { range = vec2u(tileStarts[tile], tileStarts[tile + 1u]); }
  let pairs = workgroupUniformLoad(&range);
  let depth = pairs.x + workgroupUniformLoad(&deepest);

  // Pairs behind every pixel's last splat: no gradient.
  for (var k = depth * MOMENTS + lane; k < pairs.y * MOMENTS; k += u32(PIXELS)) {
    moments[sortedPairs[k / MOMENTS] * MOMENTS + k % MOMENTS] = 0.0;
  }

  // What lies behind the current splat, seen through the image gradient: Σ weight·(colour · g), and T_last·(g.a − background · g).
  var behind = 0.0;
  let rest = t * (g.a - dot(view.background, g.rgb));

  for (var end = depth; end > pairs.x; end -= min(u32(CHUNK), end - pairs.x)) {
    let first = max(end, pairs.x + u32(CHUNK)) - u32(CHUNK);
    let size = end - first;
    workgroupBarrier();
    if (lane < size) {
      let pair = sortedPairs[first + lane];
      let i = 3u * gaussian_from_pair[pair];
      pairs_of[lane] = pair;
      chunk[lane] = array<vec4f, 3>(splats[i], splats[i + 1u], splats[i + 2u]);
    }
    workgroupBarrier();

    for (var k = size; k > 0u; k--) {
      let s = k - 1u;
      var entry = Entry(0.0, 0.0);
      if (first + s < pairs.x + seen) {
        let a = chunk[s][0];
        let b = chunk[s][1];
        let d = a.xy - at;
        let sigma = 0.5 * (a.z * d.x * d.x + b.x * d.y * d.y) + a.w * d.x * d.y;
        let raw = b.y * exp(-sigma);
        let alpha = min(ALPHA_MAX, raw);
        if (sigma >= 0.0 && alpha >= ALPHA_MIN) {
          let through = 1.0 / (1.0 - alpha);
          t *= through;
          let weight = alpha * t;
          let tinted = dot(vec3f(b.zw, chunk[s][2].x), g.rgb);
          // dL/dalpha; the exponent's share is −alpha of it, and nothing where alpha was clamped.
          let toAlpha = t * tinted + through * (rest - behind);
          entry.weight = weight;
          if (raw <= ALPHA_MAX) { entry.exponent = -alpha * toAlpha; }
          behind += weight * tinted;
        }
      }
      entries[s][lane] = entry;
    }
    workgroupBarrier();

    // Thread (s, j) sums pixels j, j + LANES, … of splat s.
    let s = lane / LANES;
    // Written out: software Vulkan (Mesa 25.0) keeps the last round's values when the zero is left implicit in a loop.
    var m = array<f32, MOMENTS>();
    if (s < size) {
      let mean = chunk[s][0].xy;
      for (var p = lane % LANES; p < u32(PIXELS); p += LANES) {
        let entry = entries[s][p];
        let tint = entry.weight * pixels[p];
        let d = mean - (vec2f(corner + vec2u(p % u32(TILE), p / u32(TILE))) + 0.5);
        let e = entry.exponent;
        m[0] += tint.x;
        m[1] += tint.y;
        m[2] += tint.z;
        m[3] += e;
        m[4] += e * d.x;
        m[5] += e * d.y;
        m[6] += e * d.x * d.x;
        m[7] += e * d.x * d.y;
        m[8] += e * d.y * d.y;
      }
    }
    for (var j = 0u; j < MOMENTS; j++) { sums[j][lane] = m[j]; }
    workgroupBarrier();
    for (var k = lane; k < size * MOMENTS; k += u32(PIXELS)) {
      let j = k % MOMENTS;
      let owner = k / MOMENTS;
      var sum = 0.0;
      for (var l = 0u; l < LANES; l++) { sum += sums[j][owner * LANES + l]; }
      moments[pairs_of[owner] * MOMENTS + j] = sum;
    }
  }
}
