// Adds the gradient of the crops of `image/warp` to the gradient of the render: a gather. One invocation per picture pixel visits, in
// each crop in turn, the output pixels whose filter may reach it, row by row. Where a channel of the render is outside [0, 1],
// the clamp stops its gradient. Alpha has none.

#include <grid>
#include <finite>
#include <warps>

@group(0) @binding(0) var<uniform> picture: WarpedPicture;
@group(0) @binding(1) var<storage, read> warps: array<Warp>;
@group(0) @binding(2) var<storage, read> image: array<vec4f>;
@group(0) @binding(3) var<storage, read> gradPixels: array<f32>;
@group(0) @binding(4) var<storage, read> filters: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> gradImage: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> nonFiniteStep: atomic<u32>;

const AREA = SIDE * SIDE;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let i = linearGroup(group, groups) * THREADS + thread;
  if (i >= picture.width * picture.height) {
    return;
  }
  let position = vec2f(f32(i % picture.width), f32(i / picture.width)) + 0.5;
  let source = vec3f(position, 1.0);
  var gradient = vec3f();
  for (var b = 0u; b < BATCH; b++) {
    let warp = warps[b];
    // The reciprocal of the homography's denominator; not above 0 beyond its horizon.
    let inverseDenominator = dot(warp.inverse2, source);
    if (inverseDenominator > 0.0) {
      let place = vec2f(dot(warp.inverse0, source), dot(warp.inverse1, source)) / inverseDenominator;
      let span = 1.0 / (inverseDenominator * warp.leastReach);
      if (all(place + span >= vec2f(0.0)) && all(place - span <= vec2f(f32(SIDE)))) {
        let first = max(vec2i(ceil(place - span - 0.5)), vec2i(0));
        let last = min(vec2i(floor(place + span - 0.5)), vec2i(i32(SIDE) - 1));
        for (var v = first.y; v <= last.y; v++) {
          for (var u = first.x; u <= last.x; u++) {
            let cell = u32(v) * SIDE + u32(u);
            let filtering = filters[b * AREA + cell];
            let weight = filterWeight(warp, position, vec2f(f32(u), f32(v)) + 0.5, filtering.xy);
            let at = (picture.first + b) * 3u * AREA + cell;
            gradient += weight * filtering.z *
              vec3f(gradPixels[at], gradPixels[at + AREA], gradPixels[at + 2u * AREA]);
          }
        }
      }
    }
  }
  if (!allFinite(vec4f(gradient, 0.0)) && atomicLoad(&nonFiniteStep) == 0u) {
    atomicStore(&nonFiniteStep, picture.step);
  }
  let color = image[i].rgb;
  let inside = (color >= vec3f(0.0)) & (color <= vec3f(1.0));
  let change = select(vec3f(0.0), gradient / picture.channelDeviation, inside);
  gradImage[i] += vec4f(change, 0.0);
}
