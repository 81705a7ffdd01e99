// Gradient of weight·(1 − ρ) to the picture; ρ is the correlation that image/structure sums. Adds to gradient [H, W, 4]. One thread
// for 2×2 pixels.

#include <grid>
#include <structure>

@group(0) @binding(0) var<uniform> size: Size;
@group(0) @binding(1) var<storage, read> luminance: array<vec2f>;
@group(0) @binding(2) var<storage, read> result: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> gradient: array<vec4f>;

// −dρ/da of the place: dρ/da = m·(b/√(A·B) − ρ·a/A) with A = Σ m·(a·a), B = Σ m·(b·b).
fn gradientAt(place: u32, sums: vec4f) -> vec2f {
  let across = luminance[place + 1u] - luminance[place];
  let down = luminance[place + size.halfWidth] - luminance[place];
  let a = vec2f(across.x, down.x);
  let b = vec2f(across.y, down.y);
  let scale = inverseSqrt(sums.y * sums.z);
  return length(b) * scale * (sums.x / sums.y * a - b);
}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let place = linearGroup(group, groups) * THREADS + thread;
  let sums = result[size.slot];
  // Without edges in the picture or in its base there is no direction to go.
  if (place >= size.halfWidth * size.halfHeight || sums.y * sums.z < 1e-30) {
    return;
  }
  let column = place % size.halfWidth;
  let row = place / size.halfWidth;
  let hasRight = column + 1u < size.halfWidth;
  let hasBelow = row + 1u < size.halfHeight;
  // Forward differences: the place's own, and those of the places to its left and above it.
  var slope = 0.0;
  if (hasRight && hasBelow) {
    let own = gradientAt(place, sums);
    slope -= own.x + own.y;
  }
  if (column > 0u && hasBelow) {
    slope += gradientAt(place - 1u, sums).x;
  }
  if (row > 0u && hasRight) {
    slope += gradientAt(place - size.halfWidth, sums).y;
  }
  let change = vec4f(0.25 * size.weight * slope * LUMA, 0.0);
  let first = firstPixel(place);
  for (var i = 0u; i < 4u; i++) {
    gradient[first + (i & 1u) + (i >> 1u) * size.width] += change;
  }
}
