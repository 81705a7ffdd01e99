// Which Gaussians lie inside the masks of photographs. One dispatch a view, one thread a Gaussian: it counts the views whose picture contains
// the Gaussian's mean, and those where the pixel there is masked (alpha below 1/2). Kept is a Gaussian that no view shows, or that
// is masked in less than half of the views that show it.
//
// votes [N]: views in the low half, masked ones in the high half; zero before the first view. kept [N]: 1 or 0, after the views so far.

#include <grid>

struct MaskedView {
  // World → camera, the three upper rows of viewmat.
  row0: vec4f,
  row1: vec4f,
  row2: vec4f,
  focal: vec2f,
  principal: vec2f,
  size: vec2u,
  count: u32,
}

@group(0) @binding(0) var<uniform> view: MaskedView;
@group(0) @binding(1) var<storage, read> means: array<f32>;
@group(0) @binding(2) var<storage, read> photo: array<u32>;
@group(0) @binding(3) var<storage, read_write> votes: array<u32>;
@group(0) @binding(4) var<storage, read_write> kept: array<u32>;

@compute @workgroup_size(GROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let row = linearGroup(group, groups) * GROUP + thread;
  if (row >= view.count) {
    return;
  }
  let mean = vec4f(means[3u * row], means[3u * row + 1u], means[3u * row + 2u], 1.0);
  let depth = dot(view.row2, mean);
  var vote = votes[row];
  if (depth > 0.0) {
    let place = view.focal * vec2f(dot(view.row0, mean), dot(view.row1, mean)) / depth + view.principal;
    if (all(place >= vec2f(0.0)) && all(place < vec2f(view.size))) {
      let pixel = min(vec2u(place), view.size - 1u);
      let isMasked = photo[pixel.y * view.size.x + pixel.x] >> 24u < 128u;
      vote += select(1u, 0x10001u, isMasked);
    }
  }
  votes[row] = vote;
  let seen = vote & 0xffffu;
  kept[row] = select(0u, 1u, seen == 0u || 2u * (vote >> 16u) < seen);
}
