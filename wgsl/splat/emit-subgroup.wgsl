// The subgroup variant of emit: the same intersections at the same places. A subgroup takes as many Gaussians as it has lanes, far
// apart in depth because the nearest are the largest, and concatenates the tiles of their boxes. Each lane tests the next tile of
// this list, so that a large Gaussian does not delay the others.
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

// (mean, conic.xy), (conic.z, sigma), and the box's low corner, its width, the first of its tiles in the list.
var<workgroup> firsts: array<vec4f, SUBGROUP>;
var<workgroup> seconds: array<vec2f, SUBGROUP>;
var<workgroup> places: array<vec4u, SUBGROUP>;
// The Gaussian, its first intersection, its number of intersections, and the end of its tiles in the list.
var<workgroup> targets: array<vec4u, SUBGROUP>;

@compute @workgroup_size(SUBGROUP)
@diagnostic(off, subgroup_uniformity)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let count = select(rasterCounters[VISIBLE], 0u, rasterCounters[FAILED] != 0u);
  let stride = groups.x * groups.y;
  for (var k0 = linearGroup(group, groups); k0 < count; k0 += stride * u32(SUBGROUP)) {
    let k = k0 + lane * stride;
    var area = 0u;
    var box = vec2u(0u);
    var i = 0u;
    if (k < count) {
      i = order[k];
      box = boxes[i];
      area = ((box.y & 0xffffu) - (box.x & 0xffffu)) * ((box.y >> 16u) - (box.x >> 16u));
    }
    let end = subgroupInclusiveAdd(area);
    let total = subgroupBroadcast(end, u32(SUBGROUP) - 1u);
    workgroupBarrier();
    places[lane] = vec4u(box.x & 0xffffu, box.x >> 16u, max(1u, (box.y & 0xffffu) - (box.x & 0xffffu)), end - area);
    targets[lane] = vec4u(0u, 0u, 0u, end);
    if (k < count) {
      let a = projected[3u * i];
      let b = projected[3u * i + 1u];
      let at = offsets[k];
      firsts[lane] = a;
      seconds[lane] = vec2f(b.x, log(255.0 * b.y));
      targets[lane] = vec4u(i, at, tileCounts[i], end);
      intersectionFromGaussian[i] = at;
    }
    workgroupBarrier();

    // The number of tiles found so far for the Gaussian of the last tested tile.
    var carry = 0u;
    for (var base = 0u; base < total; base += u32(SUBGROUP)) {
      let cell = min(base + lane, total - 1u);
      // The Gaussian of the tile: the first whose tiles end after it.
      var owner = 0u;
      for (var step = u32(SUBGROUP) / 2u; step > 0u; step /= 2u) {
        owner += select(0u, step, targets[owner + step - 1u].w <= cell);
      }
      let place = places[owner];
      let target_ = targets[owner];
      let a = firsts[owner];
      let b = seconds[owner];
      let local = cell - place.w;
      let tile = place.xy + vec2u(local % place.z, local / place.z);
      let touched = base + lane < total && touchesTile(tile, a.xy, vec3f(a.zw, b.x), b.y, EMIT_SLACK);
      let begin = max(place.w, base) - base;
      let lower = subgroupBallot(touched).x & ((1u << lane) - 1u) & ~((1u << begin) - 1u);
      let rank = countOneBits(lower) + select(0u, carry, place.w < base);
      if (touched && rank < target_.z) {
        tileKeys[target_.y + rank] = tile.y * view.tiles.x + tile.x;
        gaussianFromIntersection[target_.y + rank] = target_.x;
      }
      let found = rank + select(0u, 1u, touched);
      carry = subgroupBroadcast(found, u32(SUBGROUP) - 1u);
      // Entries without a tile (project counts with more slack) sort behind the last tile and contribute nothing.
      if (base + lane + 1u == target_.w) {
        for (var left = found; left < target_.z; left++) {
          tileKeys[target_.y + left] = view.tiles.x * view.tiles.y;
          gaussianFromIntersection[target_.y + left] = target_.x;
        }
      }
    }
  }
}
