// Decides what becomes of each Gaussian: writes, per Gaussian, how many rows (0 or 1) it has in each of the four parts of
// the next splat: the kept, the duplicates, the first halves of the split, the second halves. A prefix sum over the
// parts in line then gives every row its place. One thread a Gaussian.

#include <grid>

struct Statistics {
  gradient: f32,
  views: f32,
  radius: f32,
}

struct Rules {
  count: u32,
  grow_gradient: f32, // grow above this mean screen gradient
  small_scale: f32, // duplicate up to this largest scale, split above; world units
  split_radius: f32, // split above this screen radius
  prune_opacity: f32, // prune below
  prune_scale: f32, // prune above; world units
  prune_radius: f32, // prune above
}

@group(0) @binding(0) var<uniform> rules: Rules;
@group(0) @binding(1) var<storage, read> statistics: array<Statistics>;
@group(0) @binding(2) var<storage, read> log_scales: array<f32>;
@group(0) @binding(3) var<storage, read> opacity_logits: array<f32>;
@group(0) @binding(4) var<storage, read_write> parts: array<u32>;

fn pruned(opacity: f32, scale: f32, radius: f32) -> bool {
  return opacity < rules.prune_opacity || scale > rules.prune_scale || radius > rules.prune_radius;
}

@compute @workgroup_size(GROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let row = linear_group(group, groups) * GROUP + thread;
  if (row >= rules.count) {
    return;
  }
  let seen = statistics[row];
  let scale = exp(max(max(log_scales[3u * row], log_scales[3u * row + 1u]), log_scales[3u * row + 2u]));
  let opacity = 1.0 / (1.0 + exp(-opacity_logits[row]));

  let steep = seen.gradient / max(seen.views, 1.0) > rules.grow_gradient;
  let small = scale <= rules.small_scale;
  let duplicates = steep && small;
  let splits = (steep && !small) || seen.radius > rules.split_radius;

  // What grows is judged as it is after growing, as in 3DGS, which prunes last.
  let half_opacity = select(opacity, 1.0 - sqrt(1.0 - opacity), REVISED_OPACITY);
  let stays = !pruned(opacity, scale, seen.radius);
  let halves_stay = !pruned(half_opacity, scale / SPLIT_SHRINK, seen.radius);

  let halves = select(0u, 1u, splits && halves_stay);
  parts[row] = select(0u, 1u, stays && !splits);
  parts[rules.count + row] = select(0u, 1u, stays && duplicates);
  parts[2u * rules.count + row] = halves;
  parts[3u * rules.count + row] = halves;
}
