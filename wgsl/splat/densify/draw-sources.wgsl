// Draws a source for every pending row: a multinomial sample, by binary search of a random point in the
// prefix sum of the weights. Counts the draws of each source (integers: any order gives the same sum). Rows stay
// pending when all weights are 0. One thread a row.

#include <grid>
#include <random>

struct Draw {
  count: u32,
  rows: u32,
  seed: u32,
  step: u32,
}

@group(0) @binding(0) var<uniform> draw: Draw;
@group(0) @binding(1) var<storage, read> scanTotals: array<u32>;
@group(0) @binding(2) var<storage, read> before: array<u32>;
@group(0) @binding(3) var<storage, read_write> sources: array<u32>;
@group(0) @binding(4) var<storage, read_write> drawn: array<atomic<u32>>;

// ⌊word · total / 2^32⌋: a point in 0 … total−1 from all 32 random bits; 24 would be too coarse for a million rows.
fn pointIn(total: u32, word: u32) -> u32 {
  let a = word >> 16u;
  let b = word & 0xffffu;
  let c = total >> 16u;
  let d = total & 0xffffu;
  let high = a * d + ((b * d) >> 16u);
  let low = b * c + (high & 0xffffu);
  return a * c + (high >> 16u) + (low >> 16u);
}

@compute @workgroup_size(GROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let row = linearGroup(group, groups) * GROUP + thread;
  let total = scanTotals[TOTAL];
  if (row >= draw.rows || total == 0u || sources[row] != PENDING) {
    return;
  }
  let point = pointIn(total, pcg4d(vec4u(draw.seed, PURPOSE, draw.step, row)).x);
  // The last row with before[row] ≤ point: its own weight is not 0, because the next prefix is beyond the point.
  var low = 0u;
  var high = draw.count;
  while (high - low > 1u) {
    let middle = (low + high) / 2u;
    if (before[middle] <= point) {
      low = middle;
    } else {
      high = middle;
    }
  }
  sources[row] = low;
  atomicAdd(&drawn[low], 1u);
}
