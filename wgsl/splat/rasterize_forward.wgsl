// Blends each tile's splats front to back (3DGS eq. 3). One workgroup a tile, one thread a pixel; splats come through
// workgroup memory in batches of one per thread. Leaves what the backward pass needs: each pixel's last transmittance and
// how many of the tile's pairs it looked at.
#include <grid>
#include <view>
#include <projection>

@group(0) @binding(0) var<uniform> view: View;
@group(0) @binding(1) var<storage, read> tileStarts: array<u32>;
@group(0) @binding(2) var<storage, read> sortedPairs: array<u32>;
@group(0) @binding(3) var<storage, read> gaussian_from_pair: array<u32>;
@group(0) @binding(4) var<storage, read> splats: array<vec4f>;
// [H, W]: rgb with the background included, alpha.
@group(0) @binding(5) var<storage, read_write> color: array<vec4f>;
// [H, W]: transmittance left, and the depth (alpha-weighted mean camera z).
@group(0) @binding(6) var<storage, read_write> transmittance: array<f32>;
@group(0) @binding(7) var<storage, read_write> looked: array<u32>;
@group(0) @binding(8) var<storage, read_write> depth: array<f32>;

const PIXELS = TILE * TILE;

var<workgroup> batch: array<array<vec4f, 3>, PIXELS>;
var<workgroup> range: vec2u;
var<workgroup> finished: atomic<u32>;

@compute @workgroup_size(TILE, TILE)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let tile = linear_group(group, groups);
  if (tile >= view.tiles.x * view.tiles.y) { return; }
  if (lane == 0u) { range = vec2u(tileStarts[tile], tileStarts[tile + 1u]); }
  let pairs = workgroupUniformLoad(&range);
  let pixel = vec2u(tile % view.tiles.x, tile / view.tiles.x) * u32(TILE) + local.xy;
  let inside = all(pixel < view.size);
  let at = vec2f(pixel) + 0.5;

  var rgb = vec3f(0.0);
  var z = 0.0;
  var t = 1.0;
  var seen = 0u;
  var done = !inside;
  if (done) { atomicAdd(&finished, 1u); }

  for (var first = pairs.x; first < pairs.y; first += u32(PIXELS)) {
    // The tile ends when every pixel is opaque. The loads also order this batch after the last one's reads.
    if (workgroup_finished() == u32(PIXELS)) { break; }
    if (first + lane < pairs.y) {
      let i = 3u * gaussian_from_pair[sortedPairs[first + lane]];
      batch[lane] = array<vec4f, 3>(splats[i], splats[i + 1u], splats[i + 2u]);
    }
    workgroupBarrier();
    let size = min(u32(PIXELS), pairs.y - first);
    for (var s = 0u; s < size && !done; s++) {
      let a = batch[s][0];
      let b = batch[s][1];
      let d = a.xy - at;
      let sigma = 0.5 * (a.z * d.x * d.x + b.x * d.y * d.y) + a.w * d.x * d.y;
      let alpha = min(ALPHA_MAX, b.y * exp(-sigma));
      if (sigma < 0.0 || alpha < ALPHA_MIN) { continue; }
      let next = t * (1.0 - alpha);
      if (next <= 1e-4) {
        done = true;
        atomicAdd(&finished, 1u);
        break;
      }
      let c = batch[s][2];
      let weight = alpha * t;
      rgb += weight * vec3f(b.zw, c.x);
      if (DEPTH) { z += weight * c.y; }
      t = next;
      seen = first + s + 1u - pairs.x;
    }
  }
  if (inside) {
    let out = pixel.y * view.size.x + pixel.x;
    color[out] = vec4f(rgb + t * view.background, 1.0 - t);
    transmittance[out] = t;
    looked[out] = seen;
    if (DEPTH) { depth[out] = select(0.0, z / max(1.0 - t, 1e-10), t < 1.0); }
  }
}

fn workgroup_finished() -> u32 {
  workgroupBarrier();
  return workgroupUniformLoad(&finished);
}
