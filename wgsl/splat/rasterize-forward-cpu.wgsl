// Blends each tile's Gaussians front to back (3DGS eq. 3): the variant for a CPU behind a software driver. One subgroup a tile, which the
// driver runs as one vector: no barrier, no workgroup memory. A load is a branch for each lane there, so each lane loads one Gaussian and
// shuffles broadcast it. A lane has QUADS × four pixels of a column, see tile-pixels. Stores the same as rasterize-forward for the
// backward pass. The blending is that of rasterize-forward, inlined: a function with a struct takes 25 % longer here.
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

const QUADS = THREADS / u32(SUBGROUP);

struct Quad {
  x: f32,
  y: vec4f,
  live: vec4<bool>,
  r: vec4f,
  g: vec4f,
  b: vec4f,
  z: vec4f,
  t: vec4f,
  last: vec4u,
}

@compute @workgroup_size(SUBGROUP)
@diagnostic(off, subgroup_uniformity)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let tile = linearGroup(group, groups);
  if (tile >= view.tiles.x * view.tiles.y) { return; }
  let start = tileStarts[tile];
  let end = tileStarts[tile + 1u];
  var quads = array<Quad, QUADS>();
  for (var q = 0u; q < QUADS; q++) {
    let pixels = pixelsOf(view, tile, lane + q * u32(SUBGROUP));
    quads[q] = Quad(
      pixels.x, pixels.y, pixels.inside, vec4f(0.0), vec4f(0.0), vec4f(0.0), vec4f(0.0), vec4f(1.0), vec4u(0u),
    );
  }
  for (var first = start; first < end; first += u32(SUBGROUP)) {
    let row = 3u * gaussianFromIntersection[sortedIntersections[min(first + lane, end - 1u)]];
    let lane0 = projected[row];
    let lane1 = projected[row + 1u];
    let lane2 = projected[row + 2u].xy;
    let size = min(u32(SUBGROUP), end - first);
    for (var j = 0u; j < size; j++) {
      let s0 = subgroupShuffle(lane0, j);
      let s1 = subgroupShuffle(lane1, j);
      let s2 = subgroupShuffle(lane2, j);
      let number = first + j + 1u - start;
      for (var q = 0u; q < QUADS; q++) {
        let dx = s0.x - quads[q].x;
        let dy = s0.y - quads[q].y;
        let sigma = 0.5 * (s0.z * dx * dx + s1.x * dy * dy) + s0.w * dx * dy;
        let alpha = min(vec4f(ALPHA_MAX), s1.y * exp(-sigma));
        let t = quads[q].t;
        let next = t * (1.0 - alpha);
        let hit = quads[q].live & (sigma >= vec4f(0.0)) & (alpha >= vec4f(ALPHA_MIN));
        let stop = hit & (next <= vec4f(T_MIN));
        let add = hit & !stop;
        let weight = select(vec4f(0.0), alpha * t, add);
        quads[q].live = quads[q].live & !stop;
        quads[q].r += weight * s1.z;
        quads[q].g += weight * s1.w;
        quads[q].b += weight * s2.x;
        if (DEPTH) { quads[q].z += weight * s2.y; }
        quads[q].t = select(t, next, add);
        quads[q].last = select(quads[q].last, vec4u(number), add);
      }
    }
    var live = vec4<bool>(false);
    for (var q = 0u; q < QUADS; q++) { live = live | quads[q].live; }
    if (!subgroupAny(any(live))) { break; }
  }
  for (var q = 0u; q < QUADS; q++) {
    let it = quads[q];
    let pixels = pixelsOf(view, tile, lane + q * u32(SUBGROUP));
    let hits = vec4f(1.0) - it.t;
    let mean = select(vec4f(0.0), it.z / max(hits, vec4f(1e-10)), it.t < vec4f(1.0));
    for (var k = 0u; k < 4u; k++) {
      if (pixels.inside[k]) {
        let i = pixels.index[k];
        color[i] = vec4f(vec3f(it.r[k], it.g[k], it.b[k]) + it.t[k] * view.background, hits[k]);
        transmittance[i] = it.t[k];
        lastContributor[i] = it.last[k];
        if (DEPTH) { depth[i] = mean[k]; }
      }
    }
  }
}
