// Writes one (tile, Gaussian) intersection per touched tile, Gaussians in depth order: a stable sort by tile alone then keeps each tile's
// Gaussians in depth order. One thread a Gaussian. An intersection's position before that sort identifies it, and gradients are summed in
// that order.
#include <grid>
#include <view>
#include <tiles>

@group(0) @binding(0) var<uniform> view: View;
@group(0) @binding(1) var<storage, read> rasterCounters: array<u32>;
@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(3) var<storage, read> offsets: array<u32>;
@group(0) @binding(4) var<storage, read> projected: array<vec4f>;
@group(0) @binding(5) var<storage, read> tileCounts: array<u32>;
@group(0) @binding(6) var<storage, read_write> tileKeys: array<u32>;
@group(0) @binding(7) var<storage, read_write> gaussianFromIntersection: array<u32>;
@group(0) @binding(8) var<storage, read_write> intersectionFromGaussian: array<u32>;
@group(0) @binding(9) var<storage, read> boxes: array<vec2u>;

@compute @workgroup_size(SIZE)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let count = select(rasterCounters[VISIBLE], 0u, rasterCounters[FAILED] != 0u);
  for (var k = linearGroup(group, groups) * SIZE + lane; k < count; k += groups.x * groups.y * SIZE) {
    let i = order[k];
    let a = projected[3u * i];
    let b = projected[3u * i + 1u];
    let conic = vec3f(a.zw, b.x);
    let sigma = log(255.0 * b.y);
    let box = boxes[i];
    var at = offsets[k];
    let end = at + tileCounts[i];
    intersectionFromGaussian[i] = at;
    for (var y = box.x >> 16u; y < (box.y >> 16u); y++) {
      for (var x = box.x & 0xffffu; x < (box.y & 0xffffu); x++) {
        if (at < end && touchesTile(vec2u(x, y), a.xy, conic, sigma, EMIT_SLACK)) {
          tileKeys[at] = y * view.tiles.x + x;
          gaussianFromIntersection[at] = i;
          at++;
        }
      }
    }
    // Entries without a tile (project counts with more slack) sort behind the last tile and contribute nothing.
    for (; at < end; at++) {
      tileKeys[at] = view.tiles.x * view.tiles.y;
      gaussianFromIntersection[at] = i;
    }
  }
}
