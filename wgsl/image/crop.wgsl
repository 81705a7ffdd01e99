// Crops of a render, the input of a CLIP image encoder: rgb clamped to [0, 1], resampled with a triangle filter whose footprint
// grows with the scale (antialiased bilinear, as torch's and Pillow's resize), normalised by its weights inside the picture,
// then (rgb − mean)/deviation, planar [B, 3, SIDE, SIDE]. `inverseSums` [B, SIDE, SIDE] stores 1/Σ weights for the backward pass;
// where a filter lies outside the picture it is 0 and the rgb is black. A workgroup computes a tile of one crop, so that its
// invocations share cached pixels; they read UNROLL pixels at a time, because the latency of a read is longer than its work.

#include <crops>

@group(0) @binding(0) var<uniform> picture: Picture;
@group(0) @binding(1) var<storage, read> crops: array<Crop>;
@group(0) @binding(2) var<storage, read> image: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> pixels: array<f32>;
@group(0) @binding(4) var<storage, read_write> inverseSums: array<f32>;

const AREA = SIDE * SIDE;
const TILES = (SIDE + TILE_WIDTH - 1) / TILE_WIDTH;

@compute @workgroup_size(TILE_WIDTH, TILE_HEIGHT)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) thread: vec3u) {
  let b = group.y;
  let tile = vec2u(group.x % TILES, group.x / TILES);
  let output = tile * vec2u(TILE_WIDTH, TILE_HEIGHT) + thread.xy;
  if (any(output >= vec2u(SIDE))) {
    return;
  }
  let crop = crops[b];
  let position = vec2f(output) + 0.5;
  let center = crop.origin + position.x * crop.axisX + position.y * crop.axisY;
  // Filter coordinates of a source offset d are (d·toX, d·toY): 1 at the filter's edge.
  let toX = crop.axisX / (length(crop.axisX) * crop.reach.x);
  let toY = crop.axisY / (length(crop.axisY) * crop.reach.y);
  let span = abs(toX) * crop.reach.x * crop.reach.x + abs(toY) * crop.reach.y * crop.reach.y;
  let size = vec2i(i32(picture.width), i32(picture.height));
  let first = max(vec2i(ceil(center - span - 0.5)), vec2i(0));
  let last = min(vec2i(floor(center + span - 0.5)), size - 1);
  // Filter coordinates change by these from column to column and from row to row.
  let column = vec2f(toX.x, toY.x);
  let start = vec2f(first) + 0.5 - center;
  var color = vec3f();
  var sum = 0.0;
  for (var y = first.y; y <= last.y; y++) {
    let d = vec2f(start.x, f32(y) + 0.5 - center.y);
    let row = vec2f(dot(d, toX), dot(d, toY));
    for (var x = first.x; x <= last.x; x += UNROLL) {
      var weights = array<f32, UNROLL>();
      var colors = array<vec3f, UNROLL>();
      for (var k = 0; k < UNROLL; k++) {
        colors[k] = image[y * size.x + min(x + k, last.x)].rgb;
        let filtered = max(vec2f(0.0), 1.0 - abs(row + f32(x + k - first.x) * column));
        weights[k] = select(0.0, filtered.x * filtered.y, x + k <= last.x);
      }
      for (var k = 0; k < UNROLL; k++) {
        color += weights[k] * saturate(colors[k]);
        sum += weights[k];
      }
    }
  }
  let inverse = select(0.0, 1.0 / max(sum, SMALLEST_SUM), sum > SMALLEST_SUM);
  let normal = (color * inverse - picture.channelMean) / picture.channelDeviation;
  let cell = output.y * SIDE + output.x;
  let at = b * 3u * AREA + cell;
  pixels[at] = normal.r;
  pixels[at + AREA] = normal.g;
  pixels[at + 2u * AREA] = normal.b;
  inverseSums[b * AREA + cell] = inverse;
}
