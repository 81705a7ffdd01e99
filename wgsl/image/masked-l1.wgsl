// L1 of a picture and its base where a mask keeps it: the mean over all pixels and channels of mask·|picture − base|, rounded off at 0.
// One workgroup sums CHUNK pixels and adds weight·dL/drgb to their gradient [H, W, 4].

#include <grid>
#include <pixel-loss>
#include <tile-sum>

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> picture: array<vec4f>;
@group(0) @binding(2) var<storage, read> base: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> gradient: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> partials: array<vec4f>;
@group(0) @binding(5) var<storage, read> mask: array<u32>; // rgba8 [H, W], in r: 1 keeps, 0 does not

var<workgroup> workspace: array<vec4f, THREADS>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let chunk = linearGroup(group, groups);
  let end = min((chunk + 1u) * CHUNK, sizes.width * sizes.height);
  var sum = vec3f();
  for (var pixel = chunk * CHUNK + thread; pixel < end; pixel += THREADS) {
    var share = 1.0;
    if (HAS_MASK) {
      share = unpack4x8unorm(mask[pixel]).r;
    }
    let difference = picture[pixel].rgb - base[pixel].rgb;
    sum += share * roundedL1(difference);
    gradient[pixel] += vec4f(scale() * share * roundedSign(difference), 0.0);
  }
  let total = tileSum(thread, sum);
  if (thread == 0u && chunk < sizes.chunks) {
    partials[chunk] = vec4f(total, 0.0);
  }
}
