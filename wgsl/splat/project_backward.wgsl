// From the pairs' moments to the gradients of every raw parameter. One thread a Gaussian: it sums its pairs in order, then
// goes back through the conic, the projection, the covariance and the spherical harmonics. Invisible ones get zeros.
#include <grid>
#include <view>
#include <projection>
#include <sh>
#include <counters>

@group(0) @binding(0) var<uniform> view: View;
@group(0) @binding(1) var<storage, read> counts: array<u32>;
@group(0) @binding(2) var<storage, read> means: array<f32>;
@group(0) @binding(3) var<storage, read> logScales: array<f32>;
@group(0) @binding(4) var<storage, read> quats: array<vec4f>;
@group(0) @binding(5) var<storage, read> sh: array<f32>;
@group(0) @binding(6) var<storage, read> splats: array<vec4f>;
@group(0) @binding(7) var<storage, read> tileCounts: array<u32>;
@group(0) @binding(8) var<storage, read> pair_from_gaussian: array<u32>;
@group(0) @binding(9) var<storage, read> moments: array<f32>;
@group(0) @binding(10) var<storage, read_write> gradMeans: array<f32>;
@group(0) @binding(11) var<storage, read_write> gradLogScales: array<f32>;
@group(0) @binding(12) var<storage, read_write> gradQuats: array<vec4f>;
@group(0) @binding(13) var<storage, read_write> gradOpacityLogits: array<f32>;
@group(0) @binding(14) var<storage, read_write> gradSh: array<f32>;
// [N, 2]: ‖dL/d(mean in pixels) · size / 2‖ and radius / longest side, 0 where invisible: what densification looks at.
@group(0) @binding(15) var<storage, read_write> screen: array<vec2f>;

fn write_means(i: u32, v: vec3f) {
  gradMeans[3u * i] = v.x;
  gradMeans[3u * i + 1u] = v.y;
  gradMeans[3u * i + 2u] = v.z;
}

fn write_scales(i: u32, v: vec3f) {
  gradLogScales[3u * i] = v.x;
  gradLogScales[3u * i + 1u] = v.y;
  gradLogScales[3u * i + 2u] = v.z;
}

fn zero(i: u32) {
  write_means(i, vec3f(0.0));
  write_scales(i, vec3f(0.0));
  gradQuats[i] = vec4f(0.0);
  gradOpacityLogits[i] = 0.0;
  for (var k = 0u; k < 3u * u32(SH_ROWS); k++) { gradSh[3u * u32(SH_ROWS) * i + k] = 0.0; }
  screen[i] = vec2f(0.0);
}

// Writes the SH gradient and returns the gradient to the mean through the viewing direction.
fn color_backward(i: u32, mean: vec3f, splatRgb: vec3f, toRgb: vec3f) -> vec3f {
  // Clamped colours (max with 0) pass nothing.
  let v = select(vec3f(0.0), toRgb, splatRgb > vec3f(0.0));
  let offset = mean - view.center;
  let distance = length(offset);
  let direction = offset / distance;
  let basis = sh_basis(direction, view.shDegree);
  let slope = sh_basis_gradient(direction, view.shDegree);
  var toDirection = vec3f(0.0);
  for (var k = 0u; k < u32(SH_ROWS); k++) {
    let at = 3u * (i * u32(SH_ROWS) + k);
    toDirection += slope[k] * dot(vec3f(sh[at], sh[at + 1u], sh[at + 2u]), v);
    gradSh[at] = basis[k] * v.x;
    gradSh[at + 1u] = basis[k] * v.y;
    gradSh[at + 2u] = basis[k] * v.z;
  }
  return (toDirection - direction * dot(toDirection, direction)) / distance;
}

fn quat_backward(q: vec4f, g: mat3x3f) -> vec4f {
  // g holds dL/dR by columns: g[column][row].
  let w = q.x; let x = q.y; let y = q.z; let z = q.w;
  let s01 = g[1][0] + g[0][1];
  let s02 = g[2][0] + g[0][2];
  let s12 = g[2][1] + g[1][2];
  let d21 = g[1][2] - g[2][1];
  let d02 = g[2][0] - g[0][2];
  let d10 = g[0][1] - g[1][0];
  return 2.0 * vec4f(
    x * d21 + y * d02 + z * d10,
    -2.0 * x * (g[1][1] + g[2][2]) + y * s01 + z * s02 + w * d21,
    x * s01 - 2.0 * y * (g[0][0] + g[2][2]) + z * s12 + w * d02,
    x * s02 + y * s12 - 2.0 * z * (g[0][0] + g[1][1]) + w * d10,
  );
}

fn backward(i: u32) {
  let first = pair_from_gaussian[i] * 9u;
  let last = first + tileCounts[i] * 9u;
  var toRgb = vec3f(0.0);
  var e = 0.0;
  var e1 = vec2f(0.0);
  var e2 = vec3f(0.0);
  for (var k = first; k < last; k += 9u) {
    toRgb += vec3f(moments[k], moments[k + 1u], moments[k + 2u]);
    e += moments[k + 3u];
    e1 += vec2f(moments[k + 4u], moments[k + 5u]);
    e2 += vec3f(moments[k + 6u], moments[k + 7u], moments[k + 8u]);
  }
  let a = splats[3u * i];
  let b = splats[3u * i + 1u];
  let c = splats[3u * i + 2u];
  let conic = vec3f(a.zw, b.x);
  let opacity = b.y;

  // alpha = o·exp(−sigma): with e = dL/dsigma summed, dL/do = −e / o; through the logistic o(1 − o).
  gradOpacityLogits[i] = -e * (1.0 - opacity);

  // sigma = ½ dᵀ Q d with d = mean − pixel.
  let toMean2 = vec2f(conic.x * e1.x + conic.y * e1.y, conic.y * e1.x + conic.z * e1.y);
  // dL/dQ as a full symmetric matrix, then dL/dcov = −Q (dL/dQ) Q.
  let toConic = 0.5 * e2;
  let qa = vec2f(conic.x, conic.y);
  let qb = vec2f(conic.y, conic.z);
  let h0 = vec2f(dot(qa, toConic.xy), dot(qa, toConic.yz));
  let h1 = vec2f(dot(qb, toConic.xy), dot(qb, toConic.yz));
  let toCov = -vec3f(dot(h0, qa), dot(h0, qb), dot(h1, qb));

  let mean = vec3f(means[3u * i], means[3u * i + 1u], means[3u * i + 2u]);
  let t = to_camera(view, mean);
  let p = project(view, t, quats[i], vec3f(logScales[3u * i], logScales[3u * i + 1u], logScales[3u * i + 2u]));

  // cov = u·uᵀ with u = JW·R·S, rows u0, u1.
  let toU0 = 2.0 * (toCov.x * p.u0 + toCov.y * p.u1);
  let toU1 = 2.0 * (toCov.y * p.u0 + toCov.z * p.u1);
  // u = jw·M, M = R·S: to M by columns, and to jw.
  var toRotation: mat3x3f;
  var toScale: vec3f;
  for (var k = 0u; k < 3u; k++) {
    let toColumn = p.jw0 * toU0[k] + p.jw1 * toU1[k];
    toRotation[k] = toColumn * p.scale[k];
    toScale[k] = dot(toColumn, p.rotation[k]) * p.scale[k];
  }
  write_scales(i, toScale);
  let toQ = quat_backward(p.q, toRotation);
  gradQuats[i] = (toQ - p.q * dot(toQ, p.q)) / p.qLength;

  let toJw0 = p.rotation * (p.scale * toU0);
  let toJw1 = p.rotation * (p.scale * toU1);
  // jw0 = (fx/z)·(row0 − rx·row2): gradients to j = fx/z and to the ratio rx.
  let j = view.focal / t.z;
  let toJ = vec2f(
    dot(toJw0, view.row0.xyz - p.ratio.x * view.row2.xyz),
    dot(toJw1, view.row1.xyz - p.ratio.y * view.row2.xyz),
  );
  let toRatio = -j * vec2f(dot(toJw0, view.row2.xyz), dot(toJw1, view.row2.xyz));
  // The mean's own projection uses the unclamped ratio; J's ratio moves with the point only where it is not clamped.
  let toFreeRatio = view.focal * toMean2 + select(toRatio, vec2f(0.0), p.clamped);
  let ratio = t.xy / t.z;
  let toT = vec3f(
    toFreeRatio / t.z,
    -(dot(toFreeRatio, ratio) + dot(toJ, j)) / t.z,
  );
  let toMean = view.row0.xyz * toT.x + view.row1.xyz * toT.y + view.row2.xyz * toT.z;
  write_means(i, toMean + color_backward(i, mean, vec3f(b.zw, c.x), toRgb));

  let size = vec2f(view.size);
  screen[i] = vec2f(length(toMean2 * size * 0.5), c.z / max(size.x, size.y));
}

@compute @workgroup_size(SIZE)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let count = counts[0];
  for (var i = linear_group(group, groups) * SIZE + lane; i < count; i += groups.x * groups.y * SIZE) {
    if (tileCounts[i] == 0u) { zero(i); } else { backward(i); }
  }
}
