// Decides which Gaussians stay, grow or are pruned: writes, per Gaussian, its number of rows (0 or 1) in each of the four parts of
// the next splat: unchanged rows, duplicates, first halves of splits, second halves. A prefix sum over the parts then assigns
// every row its position. One thread a Gaussian.

#include <grid>

struct Statistics {
  gradient: f32,
  views: f32,
  radius: f32,
}

struct Rules {
  count: u32,
  growGradient: f32, // grow above this mean screen gradient
  smallScale: f32, // duplicate up to this largest scale, split above; world units
  splitRadius: f32, // split above this screen radius
  pruneOpacity: f32, // prune below
  pruneScale: f32, // prune above; world units
  pruneRadius: f32, // prune above
}

@group(0) @binding(0) var<uniform> rules: Rules;
@group(0) @binding(1) var<storage, read> statistics: array<Statistics>;
@group(0) @binding(2) var<storage, read> logScales: array<f32>;
@group(0) @binding(3) var<storage, read> opacityLogits: array<f32>;
@group(0) @binding(4) var<storage, read_write> parts: array<u32>;

fn pruned(opacity: f32, scale: f32, radius: f32) -> bool {
  return opacity < rules.pruneOpacity || scale > rules.pruneScale || radius > rules.pruneRadius;
}

@compute @workgroup_size(GROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let row = linearGroup(group, groups) * GROUP + thread;
  if (row >= rules.count) {
    return;
  }
  let measured = statistics[row];
  let scale = exp(max(max(logScales[3u * row], logScales[3u * row + 1u]), logScales[3u * row + 2u]));
  let opacity = 1.0 / (1.0 + exp(-opacityLogits[row]));

  let steep = measured.gradient / max(measured.views, 1.0) > rules.growGradient;
  let small = scale <= rules.smallScale;
  let duplicates = steep && small;
  let splits = (steep && !small) || measured.radius > rules.splitRadius;

  // A Gaussian that grows is pruned by its values after growing, as in 3DGS, which prunes last.
  let halfOpacity = select(opacity, 1.0 - sqrt(1.0 - opacity), REVISED_OPACITY);
  let survives = !pruned(opacity, scale, measured.radius);
  let halvesSurvive = !pruned(halfOpacity, scale / SPLIT_SHRINK, measured.radius);

  let halves = select(0u, 1u, splits && halvesSurvive);
  parts[row] = select(0u, 1u, survives && !splits);
  parts[rules.count + row] = select(0u, 1u, survives && duplicates);
  parts[2u * rules.count + row] = halves;
  parts[3u * rules.count + row] = halves;
}
