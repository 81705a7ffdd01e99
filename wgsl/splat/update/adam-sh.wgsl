// Adam on the SH of the window's Gaussians, whose gradient, basis · dL/dcolour, is never stored. A group processes ROWS of them at a time:
// some threads write basis and colour gradient to workgroup memory, then all walk the contiguous coefficients.
// Runs before adam-geometry moves the means: the basis is that of the rendered picture.
#include <grid>
#include <view>
#include <window>
#include <sh>
#include <adam>

@group(0) @binding(0) var<uniform> view: View;
@group(0) @binding(1) var<uniform> rates: AdamRates;
@group(0) @binding(2) var<storage, read> gaussianCount: array<u32>;
@group(0) @binding(3) var<storage, read> tileCounts: array<u32>;
@group(0) @binding(4) var<storage, read> means: array<f32>;
// dL/dcolour of visible Gaussians.
@group(0) @binding(5) var<storage, read> gradColors: array<vec4f>;
// [N, SH_ROWS, 3] of the window's N Gaussians, in words of four floats that may straddle Gaussians.
@group(0) @binding(6) var<storage, read_write> sh: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> m: array<vec4f>;
@group(0) @binding(8) var<storage, read_write> v: array<vec4f>;
@group(0) @binding(9) var<uniform> window: RowWindow;

const WIDTH = 3u * u32(SH_ROWS);
const WORDS = u32(ROWS) * WIDTH / 4u;
// Floats for basis and colour gradient of a Gaussian; odd, so that neighbours use different banks.
const ENTRY = u32(SH_ROWS) + 3u + u32(SH_ROWS) % 2u;

var<workgroup> table: array<f32, u32(ROWS) * ENTRY>;

fn fill(row: u32, i: u32, count: u32) {
  let at = row * ENTRY;
  var gradColor = vec3f(0.0);
  if (i < count && tileCounts[i] > 0u) {
    gradColor = gradColors[i].xyz;
    let offset = vec3f(means[3u * i], means[3u * i + 1u], means[3u * i + 2u]) - view.center;
    let basis = shBasis(offset / length(offset), view.shDegree);
    for (var k = 0u; k < u32(SH_ROWS); k++) { table[at + k] = basis[k]; }
  } else {
    for (var k = 0u; k < u32(SH_ROWS); k++) { table[at + k] = 0.0; }
  }
  table[at + u32(SH_ROWS)] = gradColor.x;
  table[at + u32(SH_ROWS) + 1u] = gradColor.y;
  table[at + u32(SH_ROWS) + 2u] = gradColor.z;
}

// The gradient of the block's float `f`.
fn gradient(f: u32) -> f32 {
  let at = f / WIDTH * ENTRY;
  let k = f % WIDTH / 3u;
  return table[at + k] * table[at + u32(SH_ROWS) + f % 3u];
}

@compute @workgroup_size(SIZE)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let count = min(gaussianCount[0], window.end);
  let step = groups.x * groups.y * u32(ROWS);
  for (var base = window.first + linearGroup(group, groups) * u32(ROWS); base < count; base += step) {
    for (var row = lane; row < u32(ROWS); row += u32(SIZE)) { fill(row, base + row, count); }
    workgroupBarrier();
    let floats = (count - base) * WIDTH;
    for (var word = lane; word < WORDS; word += u32(SIZE)) {
      let f = 4u * word;
      if (f >= floats) { break; }
      let at = (base - window.first) * WIDTH / 4u + word;
      let m0 = m[at];
      let v0 = v[at];
      let g = vec4f(gradient(f), gradient(f + 1u), gradient(f + 2u), gradient(f + 3u));
      if (isZeroUpdate(g, m0, v0)) { continue; }
      let p0 = sh[at];
      let places = vec4u(f, f + 1u, f + 2u, f + 3u);
      let rate = select(vec4f(rates.shTail), vec4f(rates.shHead), places % WIDTH < vec4u(3u));
      let m1 = firstMoment(m0, g);
      let v1 = secondMoment(v0, g);
      let p1 = adamUpdate(p0, m1, v1, rate, rates.secondScale);
      // The last word may extend into a row beyond the count, which keeps its values.
      let inside = places < vec4u(floats);
      m[at] = select(m0, m1, inside);
      v[at] = select(v0, v1, inside);
      sh[at] = select(p0, p1, inside);
    }
    workgroupBarrier();
  }
}
