// Total variation of the change c = picture − base: the mean over pixels and channels of |c(x+1, y) − c(x, y)| + |c(x, y+1) − c(x, y)|,
// rounded off at 0. One workgroup sums CHUNK pixels and adds weight·dL/drgb to their gradient [H, W, 4].

#include <grid>
#include <pixel-loss>
#include <tile-sum>

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> picture: array<vec4f>;
@group(0) @binding(2) var<storage, read> base: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> gradient: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> partials: array<vec4f>;

var<workgroup> workspace: array<vec4f, THREADS>;

fn change(pixel: u32) -> vec3f {
  return picture[pixel].rgb - base[pixel].rgb;
}

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
    let column = pixel % sizes.width;
    let row = pixel / sizes.width;
    let own = change(pixel);
    var slope = vec3f();
    if (column + 1u < sizes.width) {
      let difference = change(pixel + 1u) - own;
      sum += roundedL1(difference);
      slope -= roundedSign(difference);
    }
    if (row + 1u < sizes.height) {
      let difference = change(pixel + sizes.width) - own;
      sum += roundedL1(difference);
      slope -= roundedSign(difference);
    }
    if (column > 0u) {
      slope += roundedSign(own - change(pixel - 1u));
    }
    if (row > 0u) {
      slope += roundedSign(own - change(pixel - sizes.width));
    }
    gradient[pixel] += vec4f(scale() * slope, 0.0);
  }
  let total = tileSum(thread, sum);
  if (thread == 0u && chunk < sizes.chunks) {
    partials[chunk] = vec4f(total, 0.0);
  }
}
