// One workgroup adds the sums of all tiles in a fixed order and writes the means: metrics = l1, ssim, mse, loss.
// With SKIPS_MASKED, l1, ssim and mse are means over the compared pixels and windows, whose numbers follow (0 if there are none), and the
// loss is the sum of their losses over the number of all pixels and windows: a pixel counts alike in every picture of a size.

#include <picture>
#include <tile-sum>

@group(0) @binding(0) var<uniform> picture: Picture;
@group(0) @binding(1) var<storage, read> partials: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> metrics: array<f32>;

var<workgroup> workspace: array<vec4f, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(local_invocation_index) thread: u32) {
  var sums = vec3f();
  for (var i = thread; i < picture.tiles; i += THREADS) {
    sums += partials[i].xyz;
  }
  let total = tileSum(thread, sums);
  if (SKIPS_MASKED) {
    var own = vec3f();
    for (var i = thread; i < picture.tiles; i += THREADS) {
      own += unpackCounts(partials[i].w);
    }
    workgroupBarrier();
    let counts = tileSum(thread, own);
    if (thread == 0u) {
      let windows = 3.0 * counts.y;
      metrics[0] = total.x / max(3.0 * counts.x, 1.0);
      metrics[1] = total.z / max(windows, 1.0);
      metrics[2] = total.y / max(3.0 * counts.x, 1.0);
      let l1 = total.x / (3.0 * f32(picture.width * picture.height));
      let dssim = (windows - total.z) / max(picture.ssimCount, 1.0);
      metrics[3] = (1.0 - picture.dssimWeight) * l1 + picture.dssimWeight * dssim;
      metrics[4] = counts.x;
      metrics[5] = counts.y;
    }
  } else if (thread == 0u) {
    let values = 3.0 * f32(picture.width * picture.height);
    let l1 = total.x / values;
    let ssim = total.z / max(picture.ssimCount, 1.0);
    metrics[0] = l1;
    metrics[1] = ssim;
    metrics[2] = total.y / values;
    metrics[3] = (1.0 - picture.dssimWeight) * l1 + picture.dssimWeight * (1.0 - ssim);
  }
}
