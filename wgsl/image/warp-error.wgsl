// View consistency of two neighbouring pictures A and B. Each pixel of B is unprojected by B's depth and projected into A, and A is
// sampled there bilinearly. A pixel counts (is co-visible) where B and all four samples of A are covered and A's depth at all
// four agrees with the point's. `main`: one workgroup sums 256 pixels; `finish`: one workgroup adds those sums in fixed
// order into result[slot] = (sum over co-visible pixels of the squared rgb difference, their number, B's covered pixels, 0).

#include <grid>

struct Pair {
  aFromBX: vec4f, // rows of the rigid transform from B's camera space to A's
  aFromBY: vec4f,
  aFromBZ: vec4f,
  lensA: vec4f, // fx, fy, cx, cy in pixels
  lensB: vec4f,
  size: vec2u, // width, height of both
  slot: u32,
  _pad: u32,
}

@group(0) @binding(0) var<uniform> pair: Pair;
@group(0) @binding(1) var<storage, read> colorA: array<u32>;
@group(0) @binding(2) var<storage, read> depthA: array<f32>;
@group(0) @binding(3) var<storage, read> colorB: array<u32>;
@group(0) @binding(4) var<storage, read> depthB: array<f32>;
@group(0) @binding(5) var<storage, read_write> partials: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> result: array<vec4f>;

var<workgroup> sums: array<vec4f, 256>;

fn rgb(word: u32) -> vec3f {
  return vec3f(vec3u(word, word >> 8u, word >> 16u) & vec3u(255u)) / 255.0;
}

fn covered(word: u32) -> bool {
  return (word >> 24u) >= MIN_ALPHA;
}

// The contribution of a pixel of B to the sums.
fn compare(x: u32, y: u32) -> vec4f {
  let hidden = vec4f(0.0, 0.0, 1.0, 0.0); // covered, not co-visible
  let at = y * pair.size.x + x;
  let z = depthB[at];
  if (!covered(colorB[at]) || z <= 0.0) {
    return vec4f(0.0);
  }
  let ray = (vec2f(f32(x), f32(y)) + 0.5 - pair.lensB.zw) / pair.lensB.xy;
  let point = vec4f(ray * z, z, 1.0);
  let seen = vec3f(dot(pair.aFromBX, point), dot(pair.aFromBY, point), dot(pair.aFromBZ, point));
  if (seen.z <= 0.0) {
    return hidden;
  }
  let position = pair.lensA.xy * seen.xy / seen.z + pair.lensA.zw - 0.5;
  if (any(position < vec2f(0.0)) || any(position >= vec2f(pair.size - 1u))) {
    return hidden;
  }
  let corner = vec2u(position);
  let part = position - vec2f(corner);
  var warped = vec3f(0.0);
  for (var k = 0u; k < 4u; k++) {
    let step = vec2u(k & 1u, k >> 1u);
    let tap = (corner.y + step.y) * pair.size.x + corner.x + step.x;
    if (!covered(colorA[tap]) || abs(depthA[tap] - seen.z) > DEPTH_TOLERANCE * seen.z) {
      return hidden;
    }
    let weight = select(vec2f(1.0) - part, part, step == vec2u(1u));
    warped += weight.x * weight.y * rgb(colorA[tap]);
  }
  let difference = warped - rgb(colorB[at]);
  return vec4f(dot(difference, difference), 1.0, 1.0, 0.0);
}

fn addUp(lane: u32) {
  workgroupBarrier();
  for (var half = 128u; half > 0u; half = half / 2u) {
    if (lane < half) {
      sums[lane] += sums[lane + half];
    }
    workgroupBarrier();
  }
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let chunk = linearGroup(group, groups);
  let pixel = chunk * 256u + lane;
  sums[lane] = vec4f(0.0);
  if (pixel < pair.size.x * pair.size.y) {
    sums[lane] = compare(pixel % pair.size.x, pixel / pair.size.x);
  }
  addUp(lane);
  if (lane == 0u && chunk * 256u < pair.size.x * pair.size.y) {
    partials[chunk] = sums[0];
  }
}

@compute @workgroup_size(256)
fn finish(@builtin(local_invocation_index) lane: u32) {
  let chunks = (pair.size.x * pair.size.y + 255u) / 256u;
  var sum = vec4f(0.0);
  for (var chunk = lane; chunk < chunks; chunk += 256u) {
    sum += partials[chunk];
  }
  sums[lane] = sum;
  addUp(lane);
  if (lane == 0u) {
    result[pair.slot] = sums[0];
  }
}
