// Gradient of the blending, tile by tile, without atomics. One workgroup a tile; a thread has four pixels of a column, one in each
// component of its vectors. It walks Gaussians back to front in chunks:
//   1. each thread walks the chunk, recovers the transmittance before each Gaussian, and writes its pixels' sums of nine gradients
//      to workgroup memory;
//   2. the threads share the chunk's (Gaussian, gradient) table, and each sums all threads' entries in order.
// The sums of an intersection go to its place before the tile sort, so that a Gaussian's intersections are contiguous for the next kernel.
// The nine gradients: weight·(dr, dg, db), and e, e·dx, e·dy, e·dx², e·dx·dy, e·dy², with e the gradient to the exponent and
// d = mean − pixel.
#include <grid>
#include <view>
#include <projection>
#include <tile-pixels>

@group(0) @binding(0) var<uniform> view: View;
@group(0) @binding(1) var<storage, read> tileStarts: array<u32>;
@group(0) @binding(2) var<storage, read> sortedIntersections: array<u32>;
@group(0) @binding(3) var<storage, read> gaussianFromIntersection: array<u32>;
@group(0) @binding(4) var<storage, read> projected: array<vec4f>;
@group(0) @binding(5) var<storage, read> transmittance: array<f32>;
@group(0) @binding(6) var<storage, read> lastContributor: array<u32>;
// [H, W]: dL/dr, dL/dg, dL/db, dL/dalpha.
@group(0) @binding(7) var<storage, read> gradImage: array<vec4f>;
@group(0) @binding(8) var<storage, read_write> intersectionGradients: array<f32>;

const GRADIENTS = 9u;
// Gaussians in workgroup memory at once. The table takes 9 bytes a pixel and Gaussian, and every adapter has 16 KiB.
const CHUNK = select(24u, 6u, TILE >= 16);
// A row of the table per (Gaussian, gradient), one float longer than the threads: neighbours read from different banks.
const ROW = THREADS + 1u;

var<workgroup> chunk: array<array<vec4f, 3>, CHUNK>;
var<workgroup> intersectionAt: array<u32, CHUNK>;
var<workgroup> table: array<f32, CHUNK * GRADIENTS * ROW>;
var<workgroup> range: vec2u;
var<workgroup> deepest: atomic<u32>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let tile = linearGroup(group, groups);
  if (tile >= view.tiles.x * view.tiles.y) { return; }
  let pixels = pixelsOf(view, tile, lane);

  var t = vec4f(1.0);
  var last = vec4u(0u);
  var gr = vec4f(0.0);
  var gg = vec4f(0.0);
  var gb = vec4f(0.0);
  var ga = vec4f(0.0);
  for (var k = 0u; k < 4u; k++) {
    if (pixels.inside[k]) {
      let i = pixels.index[k];
      t[k] = transmittance[i];
      last[k] = lastContributor[i];
      gr[k] = gradImage[i].r;
      gg[k] = gradImage[i].g;
      gb[k] = gradImage[i].b;
      ga[k] = gradImage[i].a;
    }
  }
  atomicMax(&deepest, max(max(last.x, last.y), max(last.z, last.w)));
  if (lane == 0u) { range = vec2u(tileStarts[tile], tileStarts[tile + 1u]); }
  let intersections = workgroupUniformLoad(&range);
  let depth = intersections.x + workgroupUniformLoad(&deepest);

  // The last tile also clears the entries without a tile (see emit).
  if (tile + 1u == view.tiles.x * view.tiles.y) {
    for (var k = intersections.y * GRADIENTS + lane; k < tileStarts[tile + 2u] * GRADIENTS; k += THREADS) {
      intersectionGradients[sortedIntersections[k / GRADIENTS] * GRADIENTS + k % GRADIENTS] = 0.0;
    }
  }
  // Intersections behind the last contributor of every pixel have no gradient.
  for (var k = depth * GRADIENTS + lane; k < intersections.y * GRADIENTS; k += THREADS) {
    intersectionGradients[sortedIntersections[k / GRADIENTS] * GRADIENTS + k % GRADIENTS] = 0.0;
  }

  // Light from behind the current Gaussian, times the image gradient: Σ weight·(colour · g), and T_last·(g.a − background · g).
  var behind = vec4f(0.0);
  let rest = t * (ga - (view.background.r * gr + view.background.g * gg + view.background.b * gb));

  for (var end = depth; end > intersections.x; end -= min(CHUNK, end - intersections.x)) {
    let first = max(end, intersections.x + CHUNK) - CHUNK;
    let size = end - first;
    workgroupBarrier();
    for (var k = lane; k < size; k += THREADS) {
      let intersection = sortedIntersections[first + k];
      let i = 3u * gaussianFromIntersection[intersection];
      intersectionAt[k] = intersection;
      chunk[k] = array<vec4f, 3>(projected[i], projected[i + 1u], projected[i + 2u]);
    }
    workgroupBarrier();

    for (var k = size; k > 0u; k--) {
      let s = k - 1u;
      let s0 = chunk[s][0];
      let s1 = chunk[s][1];
      let s2 = chunk[s][2];
      let dx = s0.x - pixels.x;
      let dy = s0.y - pixels.y;
      let sigma = 0.5 * (s0.z * dx * dx + s1.x * dy * dy) + s0.w * dx * dy;
      let raw = s1.y * exp(-sigma);
      let alpha = min(vec4f(ALPHA_MAX), raw);
      let hit = (vec4u(first + s - intersections.x) < last) & (sigma >= vec4f(0.0)) & (alpha >= vec4f(ALPHA_MIN));
      let inverse = 1.0 / (1.0 - alpha);
      t = select(t, t * inverse, hit);
      let weight = select(vec4f(0.0), alpha * t, hit);
      let tinted = s1.z * gr + s1.w * gg + s2.x * gb;
      // dL/dalpha. The exponent gets −alpha times it, and 0 where alpha is clamped.
      let gradAlpha = t * tinted + inverse * (rest - behind);
      let e = select(vec4f(0.0), -alpha * gradAlpha, hit & (raw <= vec4f(ALPHA_MAX)));
      behind += weight * tinted;
      let sum = e.x + e.y + e.z + e.w;
      let alongY = dot(e, dy);
      let at = s * GRADIENTS * ROW + lane;
      table[at] = dot(weight, gr);
      table[at + ROW] = dot(weight, gg);
      table[at + 2u * ROW] = dot(weight, gb);
      table[at + 3u * ROW] = sum;
      table[at + 4u * ROW] = dx * sum;
      table[at + 5u * ROW] = alongY;
      table[at + 6u * ROW] = dx * dx * sum;
      table[at + 7u * ROW] = dx * alongY;
      table[at + 8u * ROW] = dot(e, dy * dy);
    }
    workgroupBarrier();

    for (var k = lane; k < size * GRADIENTS; k += THREADS) {
      var total = 0.0;
      for (var l = 0u; l < THREADS; l++) { total += table[k * ROW + l]; }
      intersectionGradients[intersectionAt[k / GRADIENTS] * GRADIENTS + k % GRADIENTS] = total;
    }
  }
}
