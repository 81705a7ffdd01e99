// Correlation of the luminance gradients of a picture and its base at half resolution, each place weighted by the magnitude of the
// base's gradient. `halve`: luminance [h, w] of both, the mean of 2×2 pixels, one thread a value; h = ⌊H/2⌋, w = ⌊W/2⌋.
// `correlate`: one workgroup sums CHUNK places. `finish`: one workgroup adds those sums in a fixed order into result[slot] =
// Σ m·(a·b), Σ m·(a·a), Σ m·(b·b), 0 with the forward differences a of the picture and b of the base, and m = |b|.

#include <grid>
#include <structure>
#include <tile-sum>

@group(0) @binding(0) var<uniform> size: Size;
@group(0) @binding(1) var<storage, read> picture: array<vec4f>;
@group(0) @binding(2) var<storage, read> base: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> luminance: array<vec2f>;
@group(0) @binding(4) var<storage, read_write> partials: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> result: array<vec4f>;

var<workgroup> workspace: array<vec4f, THREADS>;

@compute @workgroup_size(THREADS)
fn halve(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let place = linearGroup(group, groups) * THREADS + thread;
  if (place >= size.halfWidth * size.halfHeight) {
    return;
  }
  let first = firstPixel(place);
  let second = first + size.width;
  let sum = picture[first] + picture[first + 1u] + picture[second] + picture[second + 1u];
  let sumBase = base[first] + base[first + 1u] + base[second] + base[second + 1u];
  luminance[place] = 0.25 * vec2f(dot(LUMA, sum.rgb), dot(LUMA, sumBase.rgb));
}

@compute @workgroup_size(THREADS)
fn correlate(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let chunk = linearGroup(group, groups);
  let end = min((chunk + 1u) * CHUNK, size.halfWidth * (size.halfHeight - 1u));
  var sums = vec3f();
  for (var place = chunk * CHUNK + thread; place < end; place += THREADS) {
    if (place % size.halfWidth + 1u < size.halfWidth) {
      let across = luminance[place + 1u] - luminance[place];
      let down = luminance[place + size.halfWidth] - luminance[place];
      let a = vec2f(across.x, down.x);
      let b = vec2f(across.y, down.y);
      sums += length(b) * vec3f(dot(a, b), dot(a, a), dot(b, b));
    }
  }
  let total = tileSum(thread, sums);
  if (thread == 0u && chunk < size.chunks) {
    partials[chunk] = vec4f(total, 0.0);
  }
}

@compute @workgroup_size(THREADS)
fn finish(@builtin(local_invocation_index) thread: u32) {
  var sums = vec3f();
  for (var chunk = thread; chunk < size.chunks; chunk += THREADS) {
    sums += partials[chunk].xyz;
  }
  let total = tileSum(thread, sums);
  if (thread == 0u) {
    result[size.slot] = vec4f(total, 0.0);
  }
}
