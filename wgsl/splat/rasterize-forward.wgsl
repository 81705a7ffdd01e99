// Blends each tile's Gaussians front to back (3DGS eq. 3). One workgroup a tile; a thread has four pixels of a column, one in each
// component of its vectors. Gaussians pass through workgroup memory in batches of one per thread. Stores for the backward pass each
// pixel's last transmittance and last contributor.
#include <grid>
#include <view>
#include <projection>
#include <tile-pixels>

@group(0) @binding(0) var<uniform> view: View;
@group(0) @binding(1) var<storage, read> tileStarts: array<u32>;
@group(0) @binding(2) var<storage, read> sortedIntersections: array<u32>;
@group(0) @binding(3) var<storage, read> gaussianFromIntersection: array<u32>;
@group(0) @binding(4) var<storage, read> projected: array<vec4f>;
// [H, W]: rgb with the background included, alpha.
@group(0) @binding(5) var<storage, read_write> color: array<vec4f>;
// [H, W]: transmittance left, number of the last contributor from 1, and the depth (alpha-weighted mean camera z).
@group(0) @binding(6) var<storage, read_write> transmittance: array<f32>;
@group(0) @binding(7) var<storage, read_write> lastContributor: array<u32>;
@group(0) @binding(8) var<storage, read_write> depth: array<f32>;

var<workgroup> batch: array<array<vec4f, 3>, THREADS>;
var<workgroup> range: vec2u;
var<workgroup> finished: atomic<u32>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let tile = linearGroup(group, groups);
  if (tile >= view.tiles.x * view.tiles.y) { return; }
  if (lane == 0u) { range = vec2u(tileStarts[tile], tileStarts[tile + 1u]); }
  let intersections = workgroupUniformLoad(&range);
  let pixels = pixelsOf(view, tile, lane);

  var r = vec4f(0.0);
  var g = vec4f(0.0);
  var b = vec4f(0.0);
  var z = vec4f(0.0);
  var t = vec4f(1.0);
  var last = vec4u(0u);
  var live = pixels.inside;
  var counted = false;

  for (var first = intersections.x; first < intersections.y; first += THREADS) {
    if (!counted && !any(live)) {
      counted = true;
      atomicAdd(&finished, 1u);
    }
    // The tile ends when every pixel is opaque. The loads also order this batch after the last one's reads.
    if (workgroupFinished() == THREADS) { break; }
    if (first + lane < intersections.y) {
      let i = 3u * gaussianFromIntersection[sortedIntersections[first + lane]];
      batch[lane] = array<vec4f, 3>(projected[i], projected[i + 1u], projected[i + 2u]);
    }
    workgroupBarrier();
    let size = min(THREADS, intersections.y - first);
    for (var s = 0u; s < size; s++) {
      if (!any(live)) { break; }
      let s0 = batch[s][0];
      let s1 = batch[s][1];
      let s2 = batch[s][2];
      let dx = s0.x - pixels.x;
      let dy = s0.y - pixels.y;
      let sigma = 0.5 * (s0.z * dx * dx + s1.x * dy * dy) + s0.w * dx * dy;
      let alpha = min(vec4f(ALPHA_MAX), s1.y * exp(-sigma));
      let next = t * (1.0 - alpha);
      let hit = live & (sigma >= vec4f(0.0)) & (alpha >= vec4f(ALPHA_MIN));
      let stop = hit & (next <= vec4f(T_MIN));
      let add = hit & !stop;
      live = live & !stop;
      let weight = select(vec4f(0.0), alpha * t, add);
      r += weight * s1.z;
      g += weight * s1.w;
      b += weight * s2.x;
      if (DEPTH) { z += weight * s2.y; }
      t = select(t, next, add);
      last = select(last, vec4u(first + s + 1u - intersections.x), add);
    }
  }
  let hits = vec4f(1.0) - t;
  let mean = select(vec4f(0.0), z / max(hits, vec4f(1e-10)), t < vec4f(1.0));
  for (var k = 0u; k < 4u; k++) {
    if (pixels.inside[k]) {
      let i = pixels.index[k];
      color[i] = vec4f(vec3f(r[k], g[k], b[k]) + t[k] * view.background, hits[k]);
      transmittance[i] = t[k];
      lastContributor[i] = last[k];
      if (DEPTH) { depth[i] = mean[k]; }
    }
  }
}

fn workgroupFinished() -> u32 {
  workgroupBarrier();
  return workgroupUniformLoad(&finished);
}
