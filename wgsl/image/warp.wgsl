// Crops of a render by homographies, otherwise as `image/crop`: rgb clamped to [0, 1], an antialiased triangle filter of local half width
// max(1, scale) source pixels along the images of both axes, then (rgb − mean)/deviation, planar. A crop's rows of `pixels` begin at
// that of crop `picture.first`. `filters` [B, SIDE, SIDE] stores, for the backward pass, the reach of the filter along both axes
// (`inverseReach`) and 1/Σ weights, which is 0 where a filter lies outside the picture. One invocation per output pixel.

#include <grid>
#include <warps>

@group(0) @binding(0) var<uniform> picture: WarpedPicture;
@group(0) @binding(1) var<storage, read> warps: array<Warp>;
@group(0) @binding(2) var<storage, read> image: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> pixels: array<f32>;
@group(0) @binding(4) var<storage, read_write> filters: array<vec4f>;

const AREA = SIDE * SIDE;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let i = linearGroup(group, groups) * THREADS + thread;
  if (i >= BATCH * AREA) {
    return;
  }
  let warp = warps[i / AREA];
  let output = vec2f(f32(i % SIDE), f32(i % AREA / SIDE)) + 0.5;
  let place = vec3f(output, 1.0);
  let denominator = dot(warp.row2, place);
  let center = vec2f(dot(warp.row0, place), dot(warp.row1, place)) / denominator;
  // The images of the axes are these over the denominator.
  let axisX = vec2f(warp.row0.x, warp.row1.x) - center * warp.row2.x;
  let axisY = vec2f(warp.row0.y, warp.row1.y) - center * warp.row2.y;
  let inverseReach = min(vec2f(denominator), vec2f(length(axisX), length(axisY)));
  let span = abs(axisX) / inverseReach.x + abs(axisY) / inverseReach.y;
  let size = vec2i(i32(picture.width), i32(picture.height));
  let first = max(vec2i(ceil(center - span - 0.5)), vec2i(0));
  let last = min(vec2i(floor(center + span - 0.5)), size - 1);
  var color = vec3f();
  var sum = 0.0;
  for (var y = first.y; y <= last.y; y++) {
    for (var x = first.x; x <= last.x; x++) {
      let weight = filterWeight(warp, vec2f(f32(x), f32(y)) + 0.5, output, inverseReach);
      color += weight * clamp(image[y * size.x + x].rgb, vec3f(0.0), vec3f(1.0));
      sum += weight;
    }
  }
  let inverse = select(0.0, 1.0 / max(sum, MIN_SUM), sum > MIN_SUM);
  let normal = (color * inverse - picture.channelMean) / picture.channelDeviation;
  let at = (picture.first + i / AREA) * 3u * AREA + i % AREA;
  pixels[at] = normal.r;
  pixels[at + AREA] = normal.g;
  pixels[at + 2u * AREA] = normal.b;
  filters[i] = vec4f(inverseReach, inverse, 0.0);
}
