// Projects every Gaussian: 2D mean and conic, opacity, view-dependent colour, depth key, and the number of tiles that it touches.
// One thread a Gaussian of the window. Culled Gaussians get tile count 0. Exact rules: docs/rasterizer.md. ANTIALIAS: opacity is compensated
// for the blur.
#include <grid>
#include <view>
#include <window>
#include <projection>
#include <sh>
#include <sh-rows>
#include <tiles>
#include <random>
#include <dropout>
#include <finite>

@group(0) @binding(0) var<uniform> view: View;
@group(0) @binding(1) var<storage, read> gaussianCount: array<u32>;
@group(0) @binding(2) var<storage, read> means: array<f32>;
@group(0) @binding(3) var<storage, read> logScales: array<f32>;
@group(0) @binding(4) var<storage, read> quats: array<vec4f>;
@group(0) @binding(5) var<storage, read> opacityLogits: array<f32>;
// Rows of the window.
@group(0) @binding(6) var<storage, read> sh: array<SH_WORD>;
// Three vec4f a Gaussian: (mean.xy, conic.xy) (conic.z, opacity, rgb.rg) (rgb.b, depth, radius, 0).
@group(0) @binding(7) var<storage, read_write> projected: array<vec4f>;
@group(0) @binding(8) var<storage, read_write> tileCounts: array<u32>;
// Sort key by depth, 0 where culled. Positive floats order like their bits; the key is their distance from the bits of NEAR, which
// takes 29 bits (DEPTH_BITS).
@group(0) @binding(9) var<storage, read_write> depthKeys: array<u32>;
// Bounding box in tiles, 16 bits a number: x and y of the low corner, then of the high one. emit walks the same box.
@group(0) @binding(10) var<storage, read_write> boxes: array<vec2u>;
@group(0) @binding(11) var<uniform> window: RowWindow;

// The whole workgroup tests the tiles of a box of more than LARGE tiles, because one thread would delay the others.
struct Large {
  mean: vec2f,
  conicXy: vec2f,
  conicZ: f32,
  sigma: f32,
  // 16 bits a number.
  low: u32,
  size: u32,
}

var<workgroup> largeCount: atomic<u32>;
var<workgroup> large: array<Large, SIZE>;
var<workgroup> largeTouched: array<atomic<u32>, SIZE>;

// A projected Gaussian before its tiles are counted.
struct Candidate {
  mean: vec2f,
  conic: vec3f,
  // The exponent at which alpha falls to 1/255.
  sigma: f32,
  opacity: f32,
  depth: f32,
  radius: f32,
  // Empty where the Gaussian is culled.
  box: TileBox,
}

// Without the clamp at 0.
fn rawColor(i: u32, direction: vec3f) -> vec3f {
  let basis = shBasis(direction, view.shDegree);
  var c = vec3f(0.5);
  for (var step = 0u; step < u32(SH_ROWS / SH_STEP); step++) {
    let rows = shRows(i, step);
    for (var k = 0u; k < u32(SH_STEP); k++) { c += basis[u32(SH_STEP) * step + k] * rows[k]; }
  }
  return c;
}

fn meanOf(i: u32) -> vec3f {
  return vec3f(means[3u * i], means[3u * i + 1u], means[3u * i + 2u]);
}

// Culls infinite and NaN parameters (a diverged training, a broken file) and finite ones that overflow.
fn candidate(i: u32) -> Candidate {
  var culled = Candidate(vec2f(0.0), vec3f(0.0), 0.0, 0.0, 0.0, 0.0, TileBox(vec2u(0u), vec2u(0u)));
  let mean = meanOf(i);
  let t = toCamera(view, mean);
  if (!allFinite(vec4f(mean, 0.0)) || !allFinite(vec4f(t, 0.0)) || t.z < NEAR || t.z > FAR) { return culled; }
  if (isDropped(view, i)) { return culled; }
  let logit = opacityLogits[i];
  var opacity = 1.0 / (1.0 + exp(-logit)) / ownOpacity(view);
  if (!allFinite(vec4f(logit, opacity, 0.0, 0.0)) || opacity < ALPHA_MIN) { return culled; }
  let quat = quats[i];
  let logScale = vec3f(logScales[3u * i], logScales[3u * i + 1u], logScales[3u * i + 2u]);
  let p = project(view, t, quat, logScale);
  if (!allFinite(quat) || !allFinite(vec4f(logScale, p.det)) || p.det <= 0.0) { return culled; }
  if (ANTIALIAS) {
    opacity *= compensation(p);
    if (!allFinite(vec4f(opacity, 0.0, 0.0, 0.0)) || opacity < ALPHA_MIN) { return culled; }
  }
  let sigma = log(255.0 * opacity);
  let conic = vec3f(p.cov.z, -p.cov.y, p.cov.x) / p.det;
  let radius = sqrt(2.0 * sigma * max(p.cov.x, p.cov.z));
  if (!allFinite(vec4f(conic, radius)) || !allFinite(vec4f(p.mean, 0.0, 0.0))) { return culled; }
  return Candidate(p.mean, conic, sigma, opacity, t.z, radius, tileBox(p.mean, p.cov, p.det, sigma, view.tiles));
}

// Counts the tiles that each thread's Gaussian touches. All threads call it, in uniform control flow.
fn countTiles(lane: u32, it: Candidate) -> u32 {
  if (lane == 0u) { atomicStore(&largeCount, 0u); }
  atomicStore(&largeTouched[lane], 0u);
  workgroupBarrier();
  let size = max(it.box.high, it.box.low) - it.box.low;
  let isLarge = size.x * size.y > u32(LARGE);
  var place = 0u;
  var count = 0u;
  if (isLarge) {
    place = atomicAdd(&largeCount, 1u);
    let low = it.box.low.x | (it.box.low.y << 16u);
    large[place] = Large(it.mean, it.conic.xy, it.conic.z, it.sigma, low, size.x | (size.y << 16u));
  } else {
    for (var y = it.box.low.y; y < it.box.high.y; y++) {
      for (var x = it.box.low.x; x < it.box.high.x; x++) {
        count += select(0u, 1u, touchesTile(vec2u(x, y), it.mean, it.conic, it.sigma, COUNT_SLACK));
      }
    }
  }
  let largeTotal = workgroupUniformLoad(&largeCount);
  if (largeTotal == 0u) { return count; }
  for (var k = 0u; k < largeTotal; k++) {
    let its = large[k];
    let low = vec2u(its.low & 0xffffu, its.low >> 16u);
    let columns = its.size & 0xffffu;
    let tiles = columns * (its.size >> 16u);
    var touched = 0u;
    for (var tile = lane; tile < tiles; tile += u32(SIZE)) {
      let at = low + vec2u(tile % columns, tile / columns);
      touched += select(0u, 1u, touchesTile(at, its.mean, vec3f(its.conicXy, its.conicZ), its.sigma, COUNT_SLACK));
    }
    if (touched > 0u) { atomicAdd(&largeTouched[k], touched); }
  }
  workgroupBarrier();
  if (isLarge) { count = atomicLoad(&largeTouched[place]); }
  workgroupBarrier();
  return count;
}

// Returns false and stores nothing where the colour is infinite or NaN.
fn storeProjected(i: u32, it: Candidate) -> bool {
  let raw = rawColor(i, normalize(meanOf(i) - view.center));
  if (!allFinite(vec4f(raw, 0.0))) { return false; }
  let rgb = max(raw, vec3f(0.0));
  boxes[i] = vec2u(it.box.low.x | (it.box.low.y << 16u), it.box.high.x | (it.box.high.y << 16u));
  projected[3u * i] = vec4f(it.mean, it.conic.xy);
  projected[3u * i + 1u] = vec4f(it.conic.z, it.opacity, rgb.xy);
  projected[3u * i + 2u] = vec4f(rgb.z, it.depth, it.radius, 0.0);
  return true;
}

@compute @workgroup_size(SIZE)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let count = min(gaussianCount[0], window.end);
  for (var base = window.first + linearGroup(group, groups) * SIZE; base < count; base += groups.x * groups.y * SIZE) {
    let i = base + lane;
    var it = Candidate(vec2f(0.0), vec3f(0.0), 0.0, 0.0, 0.0, 0.0, TileBox(vec2u(0u), vec2u(0u)));
    if (i < count) { it = candidate(i); }
    var touched = countTiles(lane, it);
    if (i < count) {
      if (touched > 0u && !storeProjected(i, it)) { touched = 0u; }
      tileCounts[i] = touched;
      depthKeys[i] = select(0u, bitcast<u32>(it.depth) - bitcast<u32>(NEAR) + 1u, touched > 0u);
    }
  }
}
