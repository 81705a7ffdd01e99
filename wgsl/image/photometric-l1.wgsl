// L1 alone (λ = 0): its gradient and the sums of one tile of 16×16 pixels a workgroup, in one pass and without SSIM.
// gradient [H, W, 4]: overwritten; the alpha entry is 0. partials [tiles]: Σ|r − p|, Σ(r − p)², 0, and with SKIPS_MASKED the packed
// counts. Masked pixels add nothing, and their gradient is 0.

#include <photometric>
#include <picture>
#include <tile-sum>

@group(0) @binding(0) var<uniform> picture: Picture;
@group(0) @binding(1) var<storage, read> render: array<f32>;
@group(0) @binding(2) var<storage, read> photo: array<u32>;
@group(0) @binding(3) var<storage, read_write> gradient: array<f32>;
@group(0) @binding(4) var<storage, read_write> partials: array<vec4f>;

var<workgroup> workspace: array<vec4f, THREADS>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let scale = 1.0 / (3.0 * f32(picture.width * picture.height));
  var sums = vec3f();
  var counts = vec3f();
  for (var i = thread; i < TILE * TILE; i += THREADS) {
    let at = group.xy * TILE + vec2u(i % TILE, i / TILE);
    if (at.x < picture.width && at.y < picture.height) {
      let pixel = at.y * picture.width + at.x;
      for (var channel = 0u; channel < 3u; channel++) {
        var difference = renderChannel(pixel, channel) - photoChannel(pixel, channel);
        if (SKIPS_MASKED && isMasked(pixel)) {
          difference = 0.0;
        }
        gradient[4u * pixel + channel] = scale * sign(difference);
        sums += vec3f(abs(difference), difference * difference, 0.0);
      }
      gradient[4u * pixel + 3u] = 0.0;
      if (SKIPS_MASKED && !isMasked(pixel)) {
        counts.x += 1.0;
      }
    }
  }
  let total = tileSum(thread, sums);
  var packed = 0.0;
  if (SKIPS_MASKED) {
    workgroupBarrier();
    packed = packCounts(tileSum(thread, counts));
  }
  if (thread == 0u) {
    partials[group.y * groups.x + group.x] = vec4f(total, packed);
  }
}
