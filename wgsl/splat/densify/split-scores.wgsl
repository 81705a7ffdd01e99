// Prepares a refinement that splits the Gaussians with the highest scores: a sort key of each row, lowest first, and a mark for dead
// rows, which are replaced: those up to the dead opacity, and those visible in too few views. Dead rows, and rows without a gradient,
// have the last key. One thread a row.

#include <grid>

struct Scores {
  count: u32,
  deadOpacity: f32,
  minViews: f32,
}

struct Statistics {
  gradient: f32, // Σ ‖dL/d(mean on screen)‖ over the views that saw it
  views: f32,
  radius: f32,
}

@group(0) @binding(0) var<uniform> scores: Scores;
@group(0) @binding(1) var<storage, read> statistics: array<Statistics>;
@group(0) @binding(2) var<storage, read> opacityLogits: array<f32>;
@group(0) @binding(3) var<storage, read_write> keys: array<u32>;
@group(0) @binding(4) var<storage, read_write> dead: array<u32>;

@compute @workgroup_size(GROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let row = linearGroup(group, groups) * GROUP + thread;
  if (row >= scores.count) {
    return;
  }
  let opacity = 1.0 / (1.0 + exp(-opacityLogits[row]));
  let measured = statistics[row];
  let isDead = opacity <= scores.deadOpacity || measured.views < scores.minViews;
  let score = measured.gradient / max(measured.views, 1.0);
  // The bits of positive floats have the order of the floats.
  keys[row] = select(LAST - bitcast<u32>(score), LAST, isDead || !(score > 0.0));
  dead[row] = select(0u, 1u, isDead);
}
