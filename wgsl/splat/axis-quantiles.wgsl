// One round of a radix selection over the means: for each axis and each of two searches (low, high), a histogram of the next 11 bits
// of the coordinates whose higher bits are `prefix`, weighted by opacity. Keys order coordinates numerically as unsigned integers.
// The sums are integers, so the order of the atomics does not change them. One thread a Gaussian.

#include <grid>
#include <finite>

struct Round {
  prefixLow: vec4u, // x, y, z: the bits found so far, in place
  prefixHigh: vec4u,
  mask: u32, // the bits found so far
  shift: u32, // of the 11 bits of this round
  count: u32,
  _pad: u32,
}

@group(0) @binding(0) var<uniform> round: Round;
@group(0) @binding(1) var<storage, read> means: array<f32>;
@group(0) @binding(2) var<storage, read> opacityLogits: array<f32>;
@group(0) @binding(3) var<storage, read_write> histogram: array<atomic<u32>>; // [low|high, axis, BINS]

fn key(value: f32) -> u32 {
  let bits = bitcast<u32>(value);
  return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = linearGroup(group, groups) * 256u + lane;
  if (i >= round.count) {
    return;
  }
  let weight = u32(WEIGHT_LEVELS / (1.0 + exp(-clamp(opacityLogits[i], -30.0, 30.0))) + 0.5);
  for (var axis = 0u; axis < 3u; axis++) {
    let value = means[3u * i + axis];
    if (!allFinite(vec4f(value, 0.0, 0.0, 0.0))) {
      continue;
    }
    let k = key(value);
    let bin = (k >> round.shift) & (BINS - 1u);
    if ((k & round.mask) == round.prefixLow[axis]) {
      atomicAdd(&histogram[axis * BINS + bin], weight);
    }
    if ((k & round.mask) == round.prefixHigh[axis]) {
      atomicAdd(&histogram[(3u + axis) * BINS + bin], weight);
    }
  }
}
