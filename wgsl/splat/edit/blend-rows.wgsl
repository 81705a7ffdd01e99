// result = base + w·(styled − base) on words of a parameter, with w = strength·weight of the Gaussian. Where w is 0 or 1, the result has
// the bits of base or styled. One thread a word.

#include <grid>

struct Sizes {
  words: u32,
  width: u32,
  // Of the Gaussian whose first word is word 0.
  firstRow: u32,
  strength: f32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> base: array<u32>;
@group(0) @binding(2) var<storage, read> styled: array<u32>;
@group(0) @binding(3) var<storage, read> weights: array<f32>;
@group(0) @binding(4) var<storage, read_write> result: array<u32>;

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
  let weight = sizes.strength * weights[sizes.firstRow + word / sizes.width];
  let before = bitcast<f32>(base[word]);
  let after = bitcast<f32>(styled[word]);
  let mixed = bitcast<u32>(before + weight * (after - before));
  result[word] = select(select(mixed, styled[word], weight >= 1.0), base[word], weight <= 0.0);
}
