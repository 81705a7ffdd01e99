// Adds the gradient of the crops' pixels to the gradient of the render: a gather. One invocation per picture pixel visits, in
// each crop in turn, the output pixels whose filter reaches it, row by row. Where a channel of the render is outside [0, 1],
// the clamp stops its gradient. Alpha has none. `nonFiniteStep` keeps the first step with a gradient that is not finite.

#include <grid>
#include <crops>
#include <finite>

@group(0) @binding(0) var<uniform> picture: Picture;
@group(0) @binding(1) var<storage, read> crops: array<Crop>;
@group(0) @binding(2) var<storage, read> image: array<vec4f>;
@group(0) @binding(3) var<storage, read> gradPixels: array<f32>;
@group(0) @binding(4) var<storage, read> inverseSums: array<f32>;
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
  var gradient = vec3f();
  for (var b = 0u; b < BATCH; b++) {
    let crop = crops[b];
    // The axes are orthogonal, so the map is inverted by projecting on them.
    let steps = vec2f(length(crop.axisX), length(crop.axisY));
    let d = position - crop.origin;
    let output = vec2f(dot(d, crop.axisX), dot(d, crop.axisY)) / (steps * steps);
    let span = crop.reach / steps;
    let first = max(vec2i(ceil(output - span - 0.5)), vec2i(0));
    let last = min(vec2i(floor(output + span - 0.5)), vec2i(i32(SIDE) - 1));
    for (var v = first.y; v <= last.y; v++) {
      let weightY = max(0.0, 1.0 - abs(f32(v) + 0.5 - output.y) / span.y);
      for (var u = first.x; u <= last.x; u++) {
        let weight = weightY * max(0.0, 1.0 - abs(f32(u) + 0.5 - output.x) / span.x);
        let cell = u32(v) * SIDE + u32(u);
        let at = b * 3u * AREA + cell;
        gradient += weight * inverseSums[b * AREA + cell] *
          vec3f(gradPixels[at], gradPixels[at + AREA], gradPixels[at + 2u * AREA]);
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
