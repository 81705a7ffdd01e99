// Adds one step's screen-space values to the accumulated statistics of densification. One thread a Gaussian.

#include <grid>

struct Statistics {
  gradient: f32, // Σ ‖dL/d(mean on screen)‖ over the views that saw it
  views: f32,
  radius: f32, // the largest, as a fraction of the longer image side
}

@group(0) @binding(0) var<storage, read> gaussianCount: array<u32>;
@group(0) @binding(1) var<storage, read> screen: array<vec2f>;
@group(0) @binding(2) var<storage, read_write> statistics: array<Statistics>;

@compute @workgroup_size(GROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let row = linearGroup(group, groups) * GROUP + thread;
  if (row >= gaussianCount[0]) {
    return;
  }
  let current = screen[row];
  if (current.y > 0.0) {
    let before = statistics[row];
    statistics[row] = Statistics(before.gradient + current.x, before.views + 1.0, max(before.radius, current.y));
  }
}
