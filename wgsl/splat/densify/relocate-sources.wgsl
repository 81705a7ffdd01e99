// Adjusts each drawn Gaussian and its copies so that together they render as it did: opacity and scale by eq. 9
// of Kheradmand et al., "3D Gaussian Splatting as Markov Chain Monte Carlo", 2024. One thread a Gaussian.
//
// With n = 1 + drawn, opacity o and the new opacity p = 1 − (1 − o)^(1/n), the paper divides the scale by
//   Σ_{i=1..n} Σ_{k=0..i−1} C(i−1, k) (−1)^k p^(k+1) / √(k+1)  over  o.
// Summed over i first (the hockey-stick identity), that is Σ_{k=1..n} (−1)^(k−1) C(n, k) p^k / √k, one term from the next.

#include <grid>

struct Relocation {
  count: u32,
  minOpacity: f32,
}

@group(0) @binding(0) var<uniform> relocation: Relocation;
@group(0) @binding(1) var<storage, read> drawn: array<u32>;
@group(0) @binding(2) var<storage, read_write> opacityLogits: array<f32>;
@group(0) @binding(3) var<storage, read_write> logScales: array<f32>;

const EPSILON = 1.1920929e-7;

fn sharedOpacityIntegral(p: f32, n: f32) -> f32 {
  var power = 1.0; // (−1)^(k−1) C(n, k) p^k
  var sum = 0.0;
  for (var k = 1.0; k <= n; k += 1.0) {
    power *= p * (n - k + 1.0) / k;
    sum += power / sqrt(k);
    power = -power;
  }
  return sum;
}

@compute @workgroup_size(GROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let row = linearGroup(group, groups) * GROUP + thread;
  if (row >= relocation.count || drawn[row] == 0u) {
    return;
  }
  let n = f32(min(drawn[row] + 1u, MAX_RATIO));
  let x = opacityLogits[row];
  let opacity = 1.0 / (1.0 + exp(-x));
  // log(1 − o) without cancellation.
  let logClear = -(max(x, 0.0) + log(1.0 + exp(-abs(x))));
  // gsplat clamps before the scale is computed.
  let p = clamp(1.0 - exp(logClear / n), relocation.minOpacity, 1.0 - EPSILON);
  opacityLogits[row] = log(p) - log(1.0 - p);
  let shrink = log(opacity / sharedOpacityIntegral(p, n));
  for (var axis = 0u; axis < 3u; axis++) {
    logScales[3u * row + axis] += shrink;
  }
}
