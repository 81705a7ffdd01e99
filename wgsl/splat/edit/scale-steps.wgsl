// Scales the last step of an optimiser on words of a parameter: value = previous + weight·(value − previous), with the weight of the
// Gaussian, and then previous = value. A weight of 0 restores all bits, a weight of 1 keeps those of the step. One thread a word.

#include <grid>

struct Sizes {
  words: u32,
  width: u32,
  // Of the Gaussian whose first word is word 0.
  firstRow: u32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> weights: array<f32>;
@group(0) @binding(2) var<storage, read_write> values: array<u32>;
@group(0) @binding(3) var<storage, read_write> previous: array<u32>;

@compute @workgroup_size(GROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let word = linearGroup(group, groups) * GROUP + thread;
  if (word >= sizes.words) {
    return;
  }
  let weight = weights[sizes.firstRow + word / sizes.width];
  if (weight >= 1.0) {
    return;
  }
  if (weight <= 0.0) {
    values[word] = previous[word];
    return;
  }
  let before = bitcast<f32>(previous[word]);
  let scaled = bitcast<u32>(before + weight * (bitcast<f32>(values[word]) - before));
  values[word] = scaled;
  previous[word] = scaled;
}
