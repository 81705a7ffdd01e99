// Projects every Gaussian: 2D mean and conic, opacity, view-dependent colour, depth key, and how many tiles it touches.
// One thread a Gaussian. Culled ones get tile count 0. Exact rules: docs/rasterizer.md.
#include <grid>
#include <view>
#include <projection>
#include <sh>
#include <tiles>

@group(0) @binding(0) var<uniform> view: View;
@group(0) @binding(1) var<storage, read> counts: array<u32>;
@group(0) @binding(2) var<storage, read> means: array<f32>;
@group(0) @binding(3) var<storage, read> logScales: array<f32>;
@group(0) @binding(4) var<storage, read> quats: array<vec4f>;
@group(0) @binding(5) var<storage, read> opacityLogits: array<f32>;
@group(0) @binding(6) var<storage, read> sh: array<f32>;
// Three vec4f a Gaussian: (mean.xy, conic.xy) (conic.z, opacity, rgb.rg) (rgb.b, depth, radius, 0).
@group(0) @binding(7) var<storage, read_write> splats: array<vec4f>;
@group(0) @binding(8) var<storage, read_write> tileCounts: array<u32>;
// 1 where visible: the scan turns it into the place among the visible.
@group(0) @binding(9) var<storage, read_write> visible: array<u32>;
// The tiles' box, 16 bits a number: x and y of the low corner, then of the high one. emit walks the same box.
@group(0) @binding(10) var<storage, read_write> boxes: array<vec2u>;

fn color(i: u32, direction: vec3f) -> vec3f {
  let basis = sh_basis(direction, view.shDegree);
  var c = vec3f(0.5);
  for (var k = 0u; k < u32(SH_ROWS); k++) {
    let at = 3u * (i * u32(SH_ROWS) + k);
    c += basis[k] * vec3f(sh[at], sh[at + 1u], sh[at + 2u]);
  }
  return max(c, vec3f(0.0));
}

fn project_one(i: u32) -> u32 {
  let mean = vec3f(means[3u * i], means[3u * i + 1u], means[3u * i + 2u]);
  let t = to_camera(view, mean);
  if (!(t.z >= NEAR && t.z <= FAR)) { return 0u; }
  let opacity = 1.0 / (1.0 + exp(-opacityLogits[i]));
  if (!(opacity >= ALPHA_MIN)) { return 0u; }
  let p = project(view, t, quats[i], vec3f(logScales[3u * i], logScales[3u * i + 1u], logScales[3u * i + 2u]));
  if (!(p.det > 0.0)) { return 0u; }
  let sigma = log(255.0 * opacity);
  let box = tile_box(p.mean, p.cov.xz, sigma, view.tiles);
  let conic = vec3f(p.cov.z, -p.cov.y, p.cov.x) / p.det;
  var count = 0u;
  for (var y = box.low.y; y < box.high.y; y++) {
    for (var x = box.low.x; x < box.high.x; x++) {
      count += select(0u, 1u, touches_tile(vec2u(x, y), p.mean, conic, sigma));
    }
  }
  if (count == 0u) { return 0u; }
  boxes[i] = vec2u(box.low.x | (box.low.y << 16u), box.high.x | (box.high.y << 16u));
  let rgb = color(i, normalize(mean - view.center));
  let radius = sqrt(2.0 * sigma * max(p.cov.x, p.cov.z));
  splats[3u * i] = vec4f(p.mean, conic.xy);
  splats[3u * i + 1u] = vec4f(conic.z, opacity, rgb.xy);
  splats[3u * i + 2u] = vec4f(rgb.z, t.z, radius, 0.0);
  return count;
}

@compute @workgroup_size(SIZE)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let count = counts[0];
  for (var i = linear_group(group, groups) * SIZE + lane; i < count; i += groups.x * groups.y * SIZE) {
    let touched = project_one(i);
    tileCounts[i] = touched;
    visible[i] = min(touched, 1u);
  }
}
