// The exposure of a view on its picture: an affine transform of the colours. Alpha stays. One thread a pixel.

#include <grid>
#include <exposure>

@group(0) @binding(0) var<uniform> view: ExposureView;
// Three rows of the 3×4 matrix for each view.
@group(0) @binding(1) var<storage, read> exposures: array<vec4f>;
@group(0) @binding(2) var<storage, read> color: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> exposed: array<vec4f>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let rows = array(exposures[3u * view.index], exposures[3u * view.index + 1u], exposures[3u * view.index + 2u]);
  for (var i = linearGroup(group, groups) * THREADS + thread; i < view.pixels; i += groups.x * groups.y * THREADS) {
    let before = vec4f(color[i].rgb, 1.0);
    exposed[i] = vec4f(dot(rows[0], before), dot(rows[1], before), dot(rows[2], before), color[i].a);
  }
}
