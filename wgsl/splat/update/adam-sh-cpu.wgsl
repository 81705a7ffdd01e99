// The variant of adam-sh for a CPU behind a software driver: one thread a Gaussian of the window, no barrier and no workgroup memory.
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
// [N, SH_ROWS, 3] of the window.
@group(0) @binding(6) var<storage, read_write> sh: array<f32>;
@group(0) @binding(7) var<storage, read_write> m: array<f32>;
@group(0) @binding(8) var<storage, read_write> v: array<f32>;
@group(0) @binding(9) var<uniform> window: RowWindow;

@compute @workgroup_size(SIZE)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let count = min(gaussianCount[0], window.end);
  for (var i = window.first + linearGroup(group, groups) * SIZE + lane; i < count; i += groups.x * groups.y * SIZE) {
    let offset = vec3f(means[3u * i], means[3u * i + 1u], means[3u * i + 2u]) - view.center;
    var basis = shBasis(offset / length(offset), view.shDegree);
    let gradColor = select(vec3f(0.0), gradColors[i].xyz, tileCounts[i] > 0u);
    // The bound is not a constant, so that the driver's compiler keeps the loop.
    let first = (i - window.first) * 3u * u32(SH_ROWS);
    let last = first + 3u * u32(SH_ROWS);
    var k = 0u;
    for (var at = first; at < last; at += 3u) {
      // Avoids 0 · ∞ where the camera is at the mean of an invisible Gaussian.
      let g = select(vec4f(0.0), vec4f(basis[k] * gradColor, 0.0), vec4<bool>(gradColor != vec3f(0.0), false));
      let m0 = vec4f(m[at], m[at + 1u], m[at + 2u], 0.0);
      let v0 = vec4f(v[at], v[at + 1u], v[at + 2u], 0.0);
      if (!isZeroUpdate(g, m0, v0)) {
        let m1 = firstMoment(m0, g);
        let v1 = secondMoment(v0, g);
        let p0 = vec4f(sh[at], sh[at + 1u], sh[at + 2u], 0.0);
        let p1 = adamUpdate(p0, m1, v1, vec4f(select(rates.shTail, rates.shHead, k == 0u)), rates.secondScale);
        for (var c = 0u; c < 3u; c++) {
          m[at + c] = m1[c];
          v[at + c] = v1[c];
          sh[at + c] = p1[c];
        }
      }
      k++;
    }
  }
}
