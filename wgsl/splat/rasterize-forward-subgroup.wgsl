// Blends each tile's Gaussians front to back (3DGS eq. 3): the subgroup variant. One workgroup a tile, two pixels a thread, and two blocks
// of the tile a subgroup, one above the other: it visits only the Gaussians of a batch that reach these blocks.
// Stores for rasterize-backward-subgroup each pixel's last contributor and, where STATE is set, every pixel's transmittance and
// colour at the start of each bucket of BUCKET Gaussians.
#include <grid>
#include <view>
#include <projection>
#include <tiles>
#include <tile-blocks>
#include <subgroup-thread>

@group(0) @binding(0) var<uniform> view: View;
@group(0) @binding(1) var<storage, read> tileStarts: array<u32>;
@group(0) @binding(2) var<storage, read> sortedIntersections: array<u32>;
@group(0) @binding(3) var<storage, read> gaussianFromIntersection: array<u32>;
@group(0) @binding(4) var<storage, read> projected: array<vec4f>;
// [H, W]: rgb with the background included, alpha.
@group(0) @binding(5) var<storage, read_write> color: array<vec4f>;
// [H, W]: number of the last contributor from 1, and the depth (alpha-weighted mean camera z).
@group(0) @binding(6) var<storage, read_write> lastContributor: array<u32>;
@group(0) @binding(7) var<storage, read_write> depth: array<f32>;
// Per bucket except each tile's first, PIXELS × (rgb without background, transmittance), slot by slot; see stateOf.
@group(0) @binding(8) var<storage, read_write> states: array<vec4f>;
// The tile of each bucket, see firstBucket; and per tile its last contributor to any pixel.
@group(0) @binding(9) var<storage, read_write> bucketTiles: array<u32>;
@group(0) @binding(10) var<storage, read_write> tileDepths: array<u32>;

const THREADS = PIXELS / 2u;

struct Fetched {
  a: vec4f,
  b: vec4f,
  c: vec2f,
}

// A batch of Gaussians, rows scaled, and the blocks that each reaches.
var<workgroup> firsts: array<vec4f, THREADS>;
var<workgroup> seconds: array<vec4f, THREADS>;
var<workgroup> thirds: array<vec2f, THREADS>;
var<workgroup> masks: array<u32, THREADS>;
var<workgroup> finished: atomic<u32>;
var<workgroup> deepest: atomic<u32>;

fn fetched(place: u32, end: u32) -> Fetched {
  var splat = Fetched(vec4f(0.0), vec4f(0.0), vec2f(0.0));
  if (place < end) {
    let i = 3u * gaussianFromIntersection[sortedIntersections[place]];
    splat = Fetched(projected[i], projected[i + 1u], projected[i + 2u].xy);
  }
  return splat;
}

fn finish(at: vec2u, rgb: vec3f, z: f32, t: f32, last: u32) {
  if (all(at < view.size)) {
    let i = at.y * view.size.x + at.x;
    let hit = 1.0 - t;
    color[i] = vec4f(rgb + t * view.background, hit);
    lastContributor[i] = last;
    if (DEPTH) { depth[i] = select(0.0, z / max(hit, 1e-10), t < 1.0); }
  }
}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  at: SubgroupThread,
) {
  let thread = threadOf(at);
  let lane = at.lane;
  let tile = linearGroup(group, groups);
  if (tile >= view.tiles.x * view.tiles.y) { return; }
  let start = tileStarts[tile];
  let end = tileStarts[tile + 1u];
  let corner = tileCorner(view, tile);
  let slot = 2u * subgroupOf(at);
  let own = (1u << blockOf(slot)) | (1u << blockOf(slot + 1u));
  let at0 = corner + placeOf(slot, lane);
  let at1 = corner + placeOf(slot + 1u, lane);
  let x = vec2f(vec2u(at0.x, at1.x)) + 0.5;
  let y = vec2f(vec2u(at0.y, at1.y)) + 0.5;

  var r = vec2f(0.0);
  var g = vec2f(0.0);
  var b = vec2f(0.0);
  var z = vec2f(0.0);
  var t = vec2f(1.0);
  var last = vec2u(0u);
  var live = vec2<bool>(all(at0 < view.size), all(at1 < view.size));
  var counted = false;

  var next = fetched(start + thread, end);
  for (var first = start; first < end; first += THREADS) {
    let anyLive = subgroupAny(any(live));
    if (!counted && !anyLive) {
      counted = true;
      if (lane == 0u) { atomicAdd(&finished, 1u); }
    }
    // The tile ends when every pixel is opaque. The load also orders this batch after the last one's reads.
    if (workgroupFinished() == THREADS / u32(SUBGROUP)) { break; }
    firsts[thread] = scaledFirst(next.a);
    seconds[thread] = scaledSecond(next.b);
    thirds[thread] = next.c;
    masks[thread] = 0u;
    if (first + thread < end) {
      masks[thread] = touchedBlocks(next.a.xy - vec2f(corner) - 0.5, next.a, next.b);
    }
    workgroupBarrier();
    // Loads overlap with the blending of this batch.
    next = fetched(first + THREADS + thread, end);
    let size = min(THREADS, end - first);
    for (var c = 0u; c < size; c += u32(SUBGROUP)) {
      let reached = subgroupBallot((masks[c + lane] & own) != 0u).x;
      let before = first - start + c;
      if (STATE && before > 0u && before % u32(BUCKET) == 0u && any(live)) {
        let place = stateOf(start, before / u32(BUCKET)) + slot * u32(SUBGROUP) + lane;
        states[place] = vec4f(r.x, g.x, b.x, t.x);
        states[place + u32(SUBGROUP)] = vec4f(r.y, g.y, b.y, t.y);
      }
      var leftOver = select(0u, reached, any(live));
      while (leftOver != 0u) {
        // The lowest bit. firstTrailingBit is slow where it is emulated.
        let s = c + countOneBits(~leftOver & (leftOver - 1u));
        leftOver &= leftOver - 1u;
        let s0 = firsts[s];
        let s1 = seconds[s];
        let dx = s0.x - x;
        let dy = s0.y - y;
        let power = exponents(s0, s1, dx, dy);
        let alpha = min(vec2f(ALPHA_MAX), s1.y * exp2(power));
        let hit = live & (power <= vec2f(0.0)) & (alpha >= vec2f(ALPHA_MIN));
        if (any(hit)) {
          let left = t * (1.0 - alpha);
          let stop = hit & (left <= vec2f(T_MIN));
          let add = hit & !stop;
          live = live & !stop;
          let s2 = thirds[s];
          let weight = select(vec2f(0.0), alpha * t, add);
          r += weight * s1.z;
          g += weight * s1.w;
          b += weight * s2.x;
          if (DEPTH) { z += weight * s2.y; }
          t = select(t, left, add);
          last = select(last, vec2u(first + s + 1u - start), add);
          if (!any(live)) { break; }
        }
      }
    }
  }
  finish(at0, vec3f(r.x, g.x, b.x), z.x, t.x, last.x);
  finish(at1, vec3f(r.y, g.y, b.y), z.y, t.y, last.y);
  if (STATE) {
    let deepestOfLanes = subgroupMax(max(last.x, last.y));
    if (lane == 0u) { atomicMax(&deepest, deepestOfLanes); }
    let total = workgroupUniformLoad(&deepest);
    if (thread == 0u) { tileDepths[tile] = total; }
    for (var k = firstBucket(tile, start) + thread; k < firstBucket(tile + 1u, end); k += THREADS) {
      bucketTiles[k] = tile;
    }
  }
}

fn workgroupFinished() -> u32 {
  workgroupBarrier();
  return workgroupUniformLoad(&finished);
}
