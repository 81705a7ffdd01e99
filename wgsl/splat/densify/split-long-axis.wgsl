// Turns a Gaussian and its copy into the two halves of a split. They move apart along its longest axis by ±DISTANCE of its
// scale there, which is multiplied by NARROW, so that mean and covariance of the two together are those of the Gaussian
// (DISTANCE² + NARROW² = 1). New rows without a copy become transparent, so that the next refinement replaces
// them. One thread a row.

#include <grid>
#include <rotate>

struct Split {
  // Gaussians before the refinement, and after it.
  count: u32,
  rows: u32,
}

@group(0) @binding(0) var<uniform> split: Split;
@group(0) @binding(1) var<storage, read> sources: array<u32>;
@group(0) @binding(2) var<storage, read> drawn: array<u32>;
@group(0) @binding(3) var<storage, read_write> quats: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> means: array<f32>;
@group(0) @binding(5) var<storage, read_write> logScales: array<f32>;
@group(0) @binding(6) var<storage, read_write> opacityLogits: array<f32>;

@compute @workgroup_size(GROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let row = linearGroup(group, groups) * GROUP + thread;
  if (row >= split.rows) {
    return;
  }
  let isCopy = sources[row] < PENDING;
  if (!isCopy && row >= split.count) {
    quats[row] = vec4f(1.0, 0.0, 0.0, 0.0);
    opacityLogits[row] = VACANT_LOGIT;
  }
  if (!isCopy && drawn[row] == 0u) {
    return;
  }
  let at = 3u * row;
  let logScale = vec3f(logScales[at], logScales[at + 1u], logScales[at + 2u]);
  var axis = 0u;
  if (logScale.y > logScale[axis]) { axis = 1u; }
  if (logScale.z > logScale[axis]) { axis = 2u; }
  var along = vec3f(0.0);
  along[axis] = select(-1.0, 1.0, isCopy) * DISTANCE * exp(logScale[axis]);
  let offset = rotate(normalize(quats[row]), along);
  for (var k = 0u; k < 3u; k++) { means[at + k] += offset[k]; }
  logScales[at + axis] = logScale[axis] + log(NARROW);
  // 1 − (1 − o)^SHARE, with log(1 − o) taken without cancellation.
  let x = opacityLogits[row];
  let logClear = -(max(x, 0.0) + log(1.0 + exp(-abs(x))));
  let clear = exp(SHARE * logClear);
  opacityLogits[row] = log((1.0 - clear) / clear);
}
