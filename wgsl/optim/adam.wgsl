// Adam (Kingma and Ba 2015, as torch.optim.Adam computes it) on rows of WIDTH floats. One thread a float. The first HEAD floats
// of a row have their own rate. Loops to the number of rows, which is on the GPU: without rows nothing changes. The four
// bindings contain the window's rows.
#include <grid>
#include <window>

struct Rates {
  // Learning rate ÷ (1 − beta1^t), of a row's head and tail.
  head: f32,
  tail: f32,
  // 1 ÷ sqrt(1 − beta2^t).
  secondScale: f32,
  _pad: f32,
}

@group(0) @binding(0) var<uniform> rates: array<Rates, TENSORS>;
@group(0) @binding(1) var<storage, read> gaussianCount: array<u32>;
@group(0) @binding(2) var<storage, read> gradients: array<f32>;
@group(0) @binding(3) var<storage, read_write> parameters: array<f32>;
@group(0) @binding(4) var<storage, read_write> m: array<f32>;
@group(0) @binding(5) var<storage, read_write> v: array<f32>;
@group(0) @binding(6) var<uniform> window: RowWindow;

@compute @workgroup_size(SIZE)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let length = (clamp(gaussianCount[0], window.first, window.end) - window.first) * WIDTH;
  let rate = rates[TENSOR];
  for (var i = linearGroup(group, groups) * SIZE + lane; i < length; i += groups.x * groups.y * SIZE) {
    let g = gradients[i];
    let first = BETA1 * m[i] + (1.0 - BETA1) * g;
    let second = BETA2 * v[i] + (1.0 - BETA2) * g * g;
    m[i] = first;
    v[i] = second;
    let step = select(rate.tail, rate.head, i % WIDTH < HEAD);
    parameters[i] -= step * first / (sqrt(second) * rate.secondScale + EPSILON);
  }
}
