// Sums the partial sums of exposure-backward in order, and takes a step of Adam on the exposure of this view. In a void step nothing changes.
// One workgroup, one thread a number of the matrix.

#include <exposure>
#include <view-adam>

@group(0) @binding(0) var<uniform> view: ExposureView;
@group(0) @binding(1) var<storage, read> partials: array<f32>;
// 0 in a void step.
@group(0) @binding(2) var<storage, read> gaussianCount: array<u32>;
// NUMBERS for each view, as the moments.
@group(0) @binding(3) var<storage, read_write> exposures: array<f32>;
@group(0) @binding(4) var<storage, read_write> m: array<f32>;
@group(0) @binding(5) var<storage, read_write> v: array<f32>;
// Steps of Adam that each view took.
@group(0) @binding(6) var<storage, read_write> steps: array<u32>;

@compute @workgroup_size(NUMBERS)
fn main(@builtin(local_invocation_index) number: u32) {
  if (gaussianCount[0] == 0u) { return; }
  var gradient = 0.0;
  for (var group = 0u; group < u32(GROUPS); group++) { gradient += partials[group * u32(NUMBERS) + number]; }
  let at = view.index * u32(NUMBERS) + number;
  let count = steps[view.index] + 1u;
  let step = viewAdam(gradient, m[at], v[at], count, view.rate);
  m[at] = step.m;
  v[at] = step.v;
  exposures[at] += step.change;
  storageBarrier();
  if (number == 0u) { steps[view.index] = count; }
}
