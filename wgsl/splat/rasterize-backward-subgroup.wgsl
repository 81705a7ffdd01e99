// Gradient of the blending, without atomics: the subgroup variant. A subgroup processes one bucket of a tile's Gaussians at a time, from the
// state that rasterize-forward-subgroup stored at its start. A lane keeps a pixel of each of eight blocks in registers and walks the
// bucket front to back, skipping blocks that a Gaussian does not reach. Per Gaussian, nine gradients are summed over the lanes (sumLanes)
// and stored at the intersection's place before the tile sort, so that a Gaussian's intersections are contiguous for the next kernel.
// The nine gradients: weight·(dr, dg, db), and e, e·dx, e·dy, e·dx², e·dx·dy, e·dy², with e the gradient to the exponent and
// d = mean − pixel.
#include <grid>
#include <view>
#include <projection>
#include <tiles>
#include <tile-blocks>

@group(0) @binding(0) var<uniform> view: View;
@group(0) @binding(1) var<storage, read> tileStarts: array<u32>;
@group(0) @binding(2) var<storage, read> sortedIntersections: array<u32>;
@group(0) @binding(3) var<storage, read> gaussianFromIntersection: array<u32>;
@group(0) @binding(4) var<storage, read> projected: array<vec4f>;
@group(0) @binding(5) var<storage, read> color: array<vec4f>;
@group(0) @binding(6) var<storage, read> lastContributor: array<u32>;
@group(0) @binding(7) var<storage, read> states: array<vec4f>;
@group(0) @binding(8) var<storage, read> bucketTiles: array<u32>;
@group(0) @binding(9) var<storage, read> tileDepths: array<u32>;
// [H, W]: dL/dr, dL/dg, dL/db, dL/dalpha.
@group(0) @binding(10) var<storage, read> gradImage: array<vec4f>;
@group(0) @binding(11) var<storage, read_write> intersectionGradients: array<f32>;

const GRADIENTS = 9u;
// Pixels of a lane at once; a larger tile takes several rounds.
const SLOTS = 8u;
const ROUNDS = max(1u, PIXELS / (SLOTS * u32(SUBGROUP)));
// Gaussians in workgroup memory at once. Few, because workgroup memory limits the number of resident subgroups; the whole bucket if
// several rounds add to one table.
const CHUNK = select(u32(BUCKET), min(32u, u32(BUCKET)), ROUNDS == 1u);

struct Pixel {
  // Transmittance before the next Gaussian.
  t: f32,
  // Light from behind it, times the image gradient: Σ weight·(colour · g) + T_last·(background · g − g.a).
  behind: f32,
  r: f32,
  g: f32,
  b: f32,
  // Number of the pixel's last contributor within the bucket, from 1.
  last: u32,
}

struct Sums {
  first: vec4f,
  second: vec4f,
  third: f32,
}

var<workgroup> firsts: array<vec4f, CHUNK>;
var<workgroup> seconds: array<vec4f, CHUNK>;
var<workgroup> blues: array<f32, CHUNK>;
var<workgroup> masks: array<u32, CHUNK>;
var<workgroup> intersections: array<u32, CHUNK>;
var<workgroup> table: array<f32, CHUNK * GRADIENTS>;

fn pixelAt(corner: vec2u, k: u32, lane: u32, start: u32, bucket: u32) -> Pixel {
  var pixel = Pixel(1.0, 0.0, 0.0, 0.0, 0.0, 0u);
  let at = corner + placeOf(k, lane);
  if (k * u32(SUBGROUP) < PIXELS && all(at < view.size)) {
    let i = at.y * view.size.x + at.x;
    let before = bucket * u32(BUCKET);
    pixel.last = max(lastContributor[i], before) - before;
    if (pixel.last > 0u) {
      var state = vec4f(0.0, 0.0, 0.0, 1.0);
      if (bucket > 0u) { state = states[stateOf(start, bucket) + k * u32(SUBGROUP) + lane]; }
      let g = gradImage[i];
      let c = color[i];
      pixel.t = state.w;
      pixel.behind = dot(c.rgb - state.rgb, g.rgb) - (1.0 - c.a) * g.a;
      pixel.r = g.r;
      pixel.g = g.g;
      pixel.b = g.b;
    }
  }
  return pixel;
}

// Gaussian s of the bucket at one pixel.
fn blend(p: ptr<function, Pixel>, sums: ptr<function, Sums>, s: u32, a: vec4f, b: vec4f, blue: f32, place: vec2f) {
  let d = a.xy - place;
  let power = exponent(a, b, d);
  let raw = b.y * exp2(power);
  let alpha = min(ALPHA_MAX, raw);
  // No branch: lanes that the Gaussian misses add zeros, which is cheaper than divergence.
  let hit = (s < (*p).last) & (power <= 0.0) & (alpha >= ALPHA_MIN);
  let weight = select(0.0, alpha * (*p).t, hit);
  let tinted = weight * (b.z * (*p).r + b.w * (*p).g + blue * (*p).b);
  let behind = (*p).behind - tinted;
  let left = 1.0 - alpha;
  // −alpha·dL/dalpha; 0 where alpha is clamped.
  let e = select(0.0, alpha * (behind / left) - tinted, hit & (raw <= ALPHA_MAX));
  (*p).behind = behind;
  (*p).t = select((*p).t, (*p).t * left, hit);
  let ex = e * d.x;
  let ey = e * d.y;
  (*sums).first += vec4f(weight * (*p).r, weight * (*p).g, weight * (*p).b, e);
  (*sums).second += vec4f(ex, ey, ex * d.x, ex * d.y);
  (*sums).third += ey * d.y;
}

@compute @workgroup_size(SUBGROUP)
@diagnostic(off, subgroup_uniformity)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let tiles = view.tiles.x * view.tiles.y;
  let firstBucketOfGroup = linearGroup(group, groups);

  // The first group clears the entries without a tile (see emit).
  if (firstBucketOfGroup == 0u) {
    for (var k = tileStarts[tiles] * GRADIENTS + lane; k < tileStarts[tiles + 1u] * GRADIENTS; k += u32(SUBGROUP)) {
      intersectionGradients[sortedIntersections[k / GRADIENTS] * GRADIENTS + k % GRADIENTS] = 0.0;
    }
  }

  for (var id = firstBucketOfGroup; id < firstBucket(tiles, tileStarts[tiles]); id += groups.x * groups.y) {
    let tile = bucketTiles[id];
    let start = tileStarts[tile];
    let bucket = id - firstBucket(tile, start);
    let before = bucket * u32(BUCKET);
    let size = min(u32(BUCKET), max(tileStarts[tile + 1u] - start, before) - before);
    // The rest are behind the last contributor of every pixel and have no gradient.
    let live = min(size, max(tileDepths[tile], before) - before);
    let corner = tileCorner(view, tile);

    var p0 = Pixel(1.0, 0.0, 0.0, 0.0, 0.0, 0u);
    var p1 = p0;
    var p2 = p0;
    var p3 = p0;
    var p4 = p0;
    var p5 = p0;
    var p6 = p0;
    var p7 = p0;
    var liveBlocks = 0u;
    for (var base = 0u; base < size; base += CHUNK) {
      let end = min(size, base + CHUNK);
      workgroupBarrier();
      for (var s = lane; s < end - base; s += u32(SUBGROUP)) {
        let intersection = sortedIntersections[start + before + base + s];
        intersections[s] = intersection;
        if (base + s < live) {
          let i = 3u * gaussianFromIntersection[intersection];
          let a = projected[i];
          let b = projected[i + 1u];
          let mean = a.xy - vec2f(corner) - 0.5;
          firsts[s] = scaledFirst(vec4f(mean, a.zw));
          seconds[s] = scaledSecond(b);
          blues[s] = projected[i + 2u].x;
          masks[s] = touchedBlocks(mean, a, b);
        }
      }
      for (var k = lane; k < CHUNK * GRADIENTS; k += u32(SUBGROUP)) { table[k] = 0.0; }
      workgroupBarrier();

      for (var round = 0u; round < select(0u, ROUNDS, live > base); round++) {
        let k = round * SLOTS;
        // Bits of the blocks.
        let bit = vec4u(1u << blockOf(k), 1u << blockOf(k + 1u), 1u << blockOf(k + 2u), 1u << blockOf(k + 3u));
        let more = vec4u(1u << blockOf(k + 4u), 1u << blockOf(k + 5u), 1u << blockOf(k + 6u), 1u << blockOf(k + 7u));
        // With several rounds there is only one chunk.
        if (base == 0u) {
          p0 = pixelAt(corner, k, lane, start, bucket);
          p1 = pixelAt(corner, k + 1u, lane, start, bucket);
          p2 = pixelAt(corner, k + 2u, lane, start, bucket);
          p3 = pixelAt(corner, k + 3u, lane, start, bucket);
          p4 = pixelAt(corner, k + 4u, lane, start, bucket);
          p5 = pixelAt(corner, k + 5u, lane, start, bucket);
          p6 = pixelAt(corner, k + 6u, lane, start, bucket);
          p7 = pixelAt(corner, k + 7u, lane, start, bucket);
          // Blocks in which any of these Gaussians contributes to a pixel.
          liveBlocks =
            select(0u, bit.x, subgroupAny(p0.last > 0u)) | select(0u, bit.y, subgroupAny(p1.last > 0u)) |
            select(0u, bit.z, subgroupAny(p2.last > 0u)) | select(0u, bit.w, subgroupAny(p3.last > 0u)) |
            select(0u, more.x, subgroupAny(p4.last > 0u)) | select(0u, more.y, subgroupAny(p5.last > 0u)) |
            select(0u, more.z, subgroupAny(p6.last > 0u)) | select(0u, more.w, subgroupAny(p7.last > 0u));
        }
        let c0 = vec2f(placeOf(k, lane));
        let c1 = vec2f(placeOf(k + 1u, lane));
        let c2 = vec2f(placeOf(k + 2u, lane));
        let c3 = vec2f(placeOf(k + 3u, lane));
        let c4 = vec2f(placeOf(k + 4u, lane));
        let c5 = vec2f(placeOf(k + 5u, lane));
        let c6 = vec2f(placeOf(k + 6u, lane));
        let c7 = vec2f(placeOf(k + 7u, lane));

        for (var s = 0u; s < min(end, live) - base; s++) {
          let reached = masks[s] & liveBlocks;
          if (reached == 0u) { continue; }
          let n = base + s;
          let a = firsts[s];
          let b = seconds[s];
          let blue = blues[s];
          var sums = Sums(vec4f(0.0), vec4f(0.0), 0.0);
          if ((reached & bit.x) != 0u) { blend(&p0, &sums, n, a, b, blue, c0); }
          if ((reached & bit.y) != 0u) { blend(&p1, &sums, n, a, b, blue, c1); }
          if ((reached & bit.z) != 0u) { blend(&p2, &sums, n, a, b, blue, c2); }
          if ((reached & bit.w) != 0u) { blend(&p3, &sums, n, a, b, blue, c3); }
          if ((reached & more.x) != 0u) { blend(&p4, &sums, n, a, b, blue, c4); }
          if ((reached & more.y) != 0u) { blend(&p5, &sums, n, a, b, blue, c5); }
          if ((reached & more.z) != 0u) { blend(&p6, &sums, n, a, b, blue, c6); }
          if ((reached & more.w) != 0u) { blend(&p7, &sums, n, a, b, blue, c7); }
          reduceAndStore(s, lane, sums);
        }
      }
      workgroupBarrier();
      for (var k = lane; k < (end - base) * GRADIENTS; k += u32(SUBGROUP)) {
        intersectionGradients[intersections[k / GRADIENTS] * GRADIENTS + k % GRADIENTS] = table[k];
      }
    }
  }
}

// Adds the lanes' sums to the table's row of Gaussian s. Each step of the butterfly halves the sums that a lane is responsible
// for: in the end one of eight (of a subgroup of four: two). Every lane sums the ninth. The cpu variant has the same butterfly;
// as a shared function that returns a struct it makes this kernel 7 % slower (H200).
@diagnostic(off, subgroup_uniformity)
fn reduceAndStore(s: u32, lane: u32, sums: Sums) {
  let odd = (lane & 1u) != 0u;
  let four = select(sums.first, sums.second, odd) + subgroupShuffleXor(select(sums.second, sums.first, odd), 1u);
  let high = (lane & 2u) != 0u;
  let two = select(four.xy, four.zw, high) + subgroupShuffleXor(select(four.zw, four.xy, high), 2u);
  var third = sums.third + subgroupShuffleXor(sums.third, 1u);
  third += subgroupShuffleXor(third, 2u);
  let place = s * GRADIENTS + 4u * (lane & 1u) + (lane & 2u);
  if (SUBGROUP == 4) {
    table[place] += two.x;
    table[place + 1u] += two.y;
  } else {
    let upper = (lane & 4u) != 0u;
    var one = select(two.x, two.y, upper) + subgroupShuffleXor(select(two.y, two.x, upper), 4u);
    third += subgroupShuffleXor(third, 4u);
    if (SUBGROUP >= 16) {
      one += subgroupShuffleXor(one, 8u);
      third += subgroupShuffleXor(third, 8u);
    }
    if (SUBGROUP >= 32) {
      one += subgroupShuffleXor(one, 16u);
      third += subgroupShuffleXor(third, 16u);
    }
    if (lane < 8u) { table[place + ((lane >> 2u) & 1u)] += one; }
  }
  if (lane == 0u) { table[s * GRADIENTS + 8u] += third; }
}
