// Gradient of the blending, tile by tile, without atomics: the variant for a CPU behind a software driver. One subgroup a tile, which the
// driver runs as one vector, shaped as in rasterize-forward-cpu. It walks Gaussians back to front: the lanes recover the transmittance
// before each, sum nine gradients over their own pixels, then over the lanes (sumLanes). The sums of an intersection go to its place
// before the tile sort, so that a Gaussian's intersections are contiguous for the next kernel.
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
const QUADS = THREADS / u32(SUBGROUP);

struct Quad {
  x: f32,
  y: vec4f,
  t: vec4f,
  last: vec4u,
  r: vec4f,
  g: vec4f,
  b: vec4f,
  // Light from behind the current Gaussian, times the image gradient: T_last·(background · g − g.a) + Σ weight·(colour · g).
  behind: vec4f,
}

fn quadOf(tile: u32, unit: u32) -> Quad {
  let pixels = pixelsOf(view, tile, unit);
  var quad = Quad(
    pixels.x, pixels.y, vec4f(1.0), vec4u(0u), vec4f(0.0), vec4f(0.0), vec4f(0.0), vec4f(0.0),
  );
  for (var k = 0u; k < 4u; k++) {
    if (pixels.inside[k]) {
      let i = pixels.index[k];
      let g = gradImage[i];
      let t = transmittance[i];
      quad.t[k] = t;
      quad.last[k] = lastContributor[i];
      quad.r[k] = g.r;
      quad.g[k] = g.g;
      quad.b[k] = g.b;
      quad.behind[k] = t * (dot(view.background, g.rgb) - g.a);
    }
  }
  return quad;
}

fn zero(first: u32, last: u32, lane: u32) {
  for (var k = first * GRADIENTS + lane; k < last * GRADIENTS; k += u32(SUBGROUP)) {
    intersectionGradients[sortedIntersections[k / GRADIENTS] * GRADIENTS + k % GRADIENTS] = 0.0;
  }
}

@compute @workgroup_size(SUBGROUP)
@diagnostic(off, subgroup_uniformity)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let tile = linearGroup(group, groups);
  let tiles = view.tiles.x * view.tiles.y;
  if (tile >= tiles) { return; }
  let start = tileStarts[tile];
  let end = tileStarts[tile + 1u];
  var quads = array<Quad, QUADS>();
  var deepest = vec4u(0u);
  for (var q = 0u; q < QUADS; q++) {
    quads[q] = quadOf(tile, lane + q * u32(SUBGROUP));
    deepest = max(deepest, quads[q].last);
  }
  let depth = start + subgroupMax(max(max(deepest.x, deepest.y), max(deepest.z, deepest.w)));
  // Intersections behind the last contributor of every pixel have no gradient. The last tile also clears the entries without a tile.
  zero(depth, end, lane);
  if (tile + 1u == tiles) { zero(end, tileStarts[tiles + 1u], lane); }

  for (var last = depth; last > start; last -= min(u32(SUBGROUP), last - start)) {
    // Lane j holds the j-th from the back.
    let size = min(u32(SUBGROUP), last - start);
    let laneIntersection = sortedIntersections[last - 1u - min(lane, size - 1u)];
    let i = 3u * gaussianFromIntersection[laneIntersection];
    let lane0 = projected[i];
    let lane1 = projected[i + 1u];
    let lane2 = projected[i + 2u].x;
    var laneNinth = 0.0;
    for (var j = 0u; j < size; j++) {
      let s0 = subgroupShuffle(lane0, j);
      let s1 = subgroupShuffle(lane1, j);
      let blue = subgroupShuffle(lane2, j);
      let number = last - j - start;
      var first = vec4f(0.0);
      var second = vec4f(0.0);
      var third = 0.0;
      for (var q = 0u; q < QUADS; q++) {
        let it = quads[q];
        let dx = s0.x - it.x;
        let dy = s0.y - it.y;
        let sigma = 0.5 * (s0.z * dx * dx + s1.x * dy * dy) + s0.w * dx * dy;
        let raw = s1.y * exp(-sigma);
        let alpha = min(vec4f(ALPHA_MAX), raw);
        let hit = (it.last >= vec4u(number)) & (sigma >= vec4f(0.0)) & (alpha >= vec4f(ALPHA_MIN));
        let inverse = 1.0 / (1.0 - alpha);
        let t = select(it.t, it.t * inverse, hit);
        let weight = select(vec4f(0.0), alpha * t, hit);
        let tinted = weight * (s1.z * it.r + s1.w * it.g + blue * it.b);
        // −alpha·dL/dalpha; 0 where alpha is clamped.
        let e = select(vec4f(0.0), alpha * inverse * it.behind - tinted, hit & (raw <= vec4f(ALPHA_MAX)));
        quads[q].t = t;
        quads[q].behind = it.behind + tinted;
        let sum = e.x + e.y + e.z + e.w;
        let alongY = dot(e, dy);
        first += vec4f(dot(weight, it.r), dot(weight, it.g), dot(weight, it.b), sum);
        second += vec4f(dx * sum, alongY, dx * dx * sum, dx * alongY);
        third += dot(e, dy * dy);
      }
      let ninth = reduceAndStore(subgroupShuffle(laneIntersection, j) * GRADIENTS, lane, first, second, third);
      laneNinth = select(laneNinth, ninth, lane == j);
    }
    if (lane < size) { intersectionGradients[laneIntersection * GRADIENTS + 8u] = laneNinth; }
  }
}

// Sums over the lanes and stores eight of the nine sums at `at`. Each step of the butterfly halves the sums that a lane is
// responsible for: in the end one of eight (of four lanes: two). Returns the ninth: stores are slow, so a batch stores it once.
@diagnostic(off, subgroup_uniformity)
fn reduceAndStore(at: u32, lane: u32, first: vec4f, second: vec4f, ninth: f32) -> f32 {
  let odd = (lane & 1u) != 0u;
  let four = select(first, second, odd) + subgroupShuffleXor(select(second, first, odd), 1u);
  let high = (lane & 2u) != 0u;
  let two = select(four.xy, four.zw, high) + subgroupShuffleXor(select(four.zw, four.xy, high), 2u);
  var third = ninth + subgroupShuffleXor(ninth, 1u);
  third += subgroupShuffleXor(third, 2u);
  let place = at + 4u * (lane & 1u) + (lane & 2u);
  if (SUBGROUP == 4) {
    intersectionGradients[place] = two.x;
    intersectionGradients[place + 1u] = two.y;
  } else {
    let upper = (lane & 4u) != 0u;
    var one = select(two.x, two.y, upper) + subgroupShuffleXor(select(two.y, two.x, upper), 4u);
    third += subgroupShuffleXor(third, 4u);
    if (SUBGROUP == 16) {
      one += subgroupShuffleXor(one, 8u);
      third += subgroupShuffleXor(third, 8u);
    }
    if (lane < 8u) { intersectionGradients[place + ((lane >> 2u) & 1u)] = one; }
  }
  return third;
}
