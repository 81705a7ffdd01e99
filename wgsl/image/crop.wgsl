// Crops of a render, the input of a CLIP image encoder: rgb clamped to [0, 1], resampled with a triangle filter whose footprint
// grows with the scale (antialiased bilinear, as torch's and Pillow's resize), normalised by its weights inside the picture,
// then (rgb − mean)/deviation, planar [B, 3, SIDE, SIDE]. `inverseSums` [B, SIDE, SIDE] stores 1/Σ weights for the backward pass;
// where a filter lies outside the picture it is 0 and the rgb is black. One invocation per output pixel.

#include <grid>
#include <crops>

@group(0) @binding(0) var<uniform> picture: Picture;
@group(0) @binding(1) var<storage, read> crops: array<Crop>;
@group(0) @binding(2) var<storage, read> image: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> pixels: array<f32>;
@group(0) @binding(4) var<storage, read_write> inverseSums: array<f32>;

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
  let crop = crops[i / AREA];
  let u = f32(i % SIDE) + 0.5;
  let v = f32(i % AREA / SIDE) + 0.5;
  let center = crop.origin + u * crop.axisX + v * crop.axisY;
  // Filter coordinates of a source offset d are (d·toX, d·toY): 1 at the filter's edge.
  let toX = crop.axisX / (length(crop.axisX) * crop.reach.x);
  let toY = crop.axisY / (length(crop.axisY) * crop.reach.y);
  let span = abs(toX) * crop.reach.x * crop.reach.x + abs(toY) * crop.reach.y * crop.reach.y;
  let size = vec2i(i32(picture.width), i32(picture.height));
  let first = max(vec2i(ceil(center - span - 0.5)), vec2i(0));
  let last = min(vec2i(floor(center + span - 0.5)), size - 1);
  var color = vec3f();
  var sum = 0.0;
  for (var y = first.y; y <= last.y; y++) {
    for (var x = first.x; x <= last.x; x++) {
      let d = vec2f(f32(x), f32(y)) + 0.5 - center;
      let weight = max(0.0, 1.0 - abs(dot(d, toX))) * max(0.0, 1.0 - abs(dot(d, toY)));
      color += weight * clamp(image[y * size.x + x].rgb, vec3f(0.0), vec3f(1.0));
      sum += weight;
    }
  }
  let inverse = select(0.0, 1.0 / max(sum, MIN_SUM), sum > MIN_SUM);
  let normal = (color * inverse - picture.channelMean) / picture.channelDeviation;
  let at = i / AREA * 3u * AREA + i % AREA;
  pixels[at] = normal.r;
  pixels[at + AREA] = normal.g;
  pixels[at + 2u * AREA] = normal.b;
  inverseSums[i] = inverse;
}
