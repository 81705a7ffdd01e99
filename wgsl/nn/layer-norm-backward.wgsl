// With g = dL/dy·weight and x̂ the normalised row: dL/dx (+)= scale·(g − mean(g) − x̂·mean(g·x̂)). LANES invocations share a
// row of width.

#include <grid>
#include <row-sum>

struct Sizes {
  accumulates: u32,
  rows: u32,
  width: u32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> statistics: array<f32>;
@group(0) @binding(4) var<storage, read> gradY: array<f32>;
@group(0) @binding(5) var<storage, read_write> gradX: array<f32>;

@compute @workgroup_size(LANES, ROWS_PER_GROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let row = linearGroup(group, groups) * ROWS_PER_GROUP + local.y;
  let safe = min(row, sizes.rows - 1u);
  let start = safe * sizes.width;
  let mean = statistics[2u * safe];
  let scale = statistics[2u * safe + 1u];
  var sum = 0.0;
  var dot = 0.0;
  for (var i = local.x; i < sizes.width; i += LANES) {
    let g = gradY[start + i] * weight[i];
    sum += g;
    dot += g * (x[start + i] - mean) * scale;
  }
  let meanG = rowSum(local, sum) / f32(sizes.width);
  let meanDot = rowSum(local, dot) / f32(sizes.width);
  if (row >= sizes.rows) {
    return;
  }
  for (var i = local.x; i < sizes.width; i += LANES) {
    let normal = (x[start + i] - mean) * scale;
    var value = scale * (gradY[start + i] * weight[i] - meanG - normal * meanDot);
    if (sizes.accumulates == 1u) {
      value += gradX[start + i];
    }
    gradX[start + i] = value;
  }
}
