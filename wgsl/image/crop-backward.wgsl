// Adds the gradient of the crops' pixels to the gradient of the render: a gather. A workgroup processes a tile of the picture. It first
// lists the crops that reach the tile, in their order. Then SPLIT invocations per picture pixel take those crops in turn and
// visit, 2 × 2 at a time, the output pixels whose filter reaches theirs; their sums are added in order. Where a channel of the
// render is outside [0, 1], the clamp stops its gradient. Alpha has none. `nonFiniteStep` keeps the first step with a gradient that is not finite.

#include <crops>
#include <finite>

@group(0) @binding(0) var<uniform> picture: Picture;
@group(0) @binding(1) var<storage, read> crops: array<Crop>;
@group(0) @binding(2) var<storage, read> image: array<vec4f>;
@group(0) @binding(3) var<storage, read> gradPixels: array<f32>;
@group(0) @binding(4) var<storage, read> inverseSums: array<f32>;
@group(0) @binding(5) var<storage, read_write> gradImage: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> nonFiniteStep: atomic<u32>;

/** A crop as the inverse map: the output position of source position p is ((p − origin)·toU, (p − origin)·toV). */
struct Inverse {
  toU: vec2f,
  toV: vec2f,
  origin: vec2f,
  // half width of the filter, in output pixels, and its reciprocal
  span: vec2f,
  inverseSpan: vec2f,
  crop: u32,
}

const AREA = SIDE * SIDE;
const TILE_AREA = TILE_WIDTH * TILE_HEIGHT;
const WORDS = (BATCH + 31) / 32;
const LAST = i32(SIDE) - 1;

var<workgroup> reaching: array<atomic<u32>, WORDS>;
var<workgroup> inverses: array<Inverse, BATCH>;
var<workgroup> partials: array<vec3f, TILE_AREA * SPLIT>;

fn invert(b: u32) -> Inverse {
  let crop = crops[b];
  // The axes are orthogonal, so the map is inverted by projecting on them.
  let squares = vec2f(dot(crop.axisX, crop.axisX), dot(crop.axisY, crop.axisY));
  let span = crop.reach / sqrt(squares);
  return Inverse(crop.axisX / squares.x, crop.axisY / squares.y, crop.origin, span, 1.0 / span, b);
}

/** Whether an output pixel's filter may reach into the box of source positions. */
fn reaches(inverse: Inverse, middle: vec2f, half: vec2f) -> bool {
  let d = middle - inverse.origin;
  let output = vec2f(dot(d, inverse.toU), dot(d, inverse.toV));
  let margin = vec2f(dot(half, abs(inverse.toU)), dot(half, abs(inverse.toV))) + inverse.span;
  return all(output + margin >= vec2f(0.0)) && all(output - margin <= vec2f(f32(SIDE)));
}

fn tap(inverse: Inverse, u: i32, v: i32, output: vec2f) -> vec3f {
  // Beyond the last output pixel the weight may not be 0.
  let filtered = max(vec2f(0.0), 1.0 - abs(vec2f(f32(u), f32(v)) + 0.5 - output) * inverse.inverseSpan);
  let weight = select(0.0, filtered.x * filtered.y, u <= LAST && v <= LAST);
  let cell = u32(min(v, LAST)) * SIDE + u32(min(u, LAST));
  let at = inverse.crop * 3u * AREA + cell;
  let gradient = vec3f(gradPixels[at], gradPixels[at + AREA], gradPixels[at + 2u * AREA]);
  return weight * inverseSums[inverse.crop * AREA + cell] * gradient;
}

@compute @workgroup_size(TILE_WIDTH, TILE_HEIGHT, SPLIT)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_id) id: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let corner = group.xy * vec2u(TILE_WIDTH, TILE_HEIGHT);
  let half = 0.5 * vec2f(TILE_WIDTH, TILE_HEIGHT);
  if (thread < WORDS) {
    atomicStore(&reaching[thread], 0u);
  }
  workgroupBarrier();
  for (var b = thread; b < BATCH; b += TILE_AREA * SPLIT) {
    if (reaches(invert(b), vec2f(corner) + half, half)) {
      atomicOr(&reaching[b / 32u], 1u << (b % 32u));
    }
  }
  workgroupBarrier();
  var count = 0u;
  for (var word = 0u; word < WORDS; word++) {
    count += countOneBits(atomicLoad(&reaching[word]));
  }
  for (var b = thread; b < BATCH; b += TILE_AREA * SPLIT) {
    let bits = atomicLoad(&reaching[b / 32u]);
    if (extractBits(bits, b % 32u, 1u) == 1u) {
      var place = countOneBits(bits & ((1u << (b % 32u)) - 1u));
      for (var word = 0u; word < b / 32u; word++) {
        place += countOneBits(atomicLoad(&reaching[word]));
      }
      inverses[place] = invert(b);
    }
  }
  workgroupBarrier();
  let pixel = corner + id.xy;
  let isInside = pixel.x < picture.width && pixel.y < picture.height;
  var gradient = vec3f();
  if (isInside) {
    for (var k = id.z; k < count; k += SPLIT) {
      let inverse = inverses[k];
      let d = vec2f(pixel) + 0.5 - inverse.origin;
      let output = vec2f(dot(d, inverse.toU), dot(d, inverse.toV));
      let first = max(vec2i(ceil(output - inverse.span - 0.5)), vec2i(0));
      let last = min(vec2i(floor(output + inverse.span - 0.5)), vec2i(LAST));
      for (var v = first.y; v <= last.y; v += 2) {
        for (var u = first.x; u <= last.x; u += 2) {
          let a = tap(inverse, u, v, output);
          let b = tap(inverse, u + 1, v, output);
          let c = tap(inverse, u, v + 1, output);
          let e = tap(inverse, u + 1, v + 1, output);
          gradient += (a + b) + (c + e);
        }
      }
    }
  }
  if (SPLIT > 1) {
    partials[thread] = gradient;
    workgroupBarrier();
    for (var k = 1u; k < SPLIT; k++) {
      gradient += partials[k * TILE_AREA + thread % TILE_AREA];
    }
  }
  if (isInside && id.z == 0u) {
    if (!allFinite(vec4f(gradient, 0.0)) && atomicLoad(&nonFiniteStep) == 0u) {
      atomicStore(&nonFiniteStep, picture.step);
    }
    let i = pixel.y * picture.width + pixel.x;
    let color = image[i].rgb;
    let isFree = (color >= vec3f(0.0)) & (color <= vec3f(1.0));
    let change = select(vec3f(0.0), gradient / picture.channelDeviation, isFree);
    gradImage[i] += vec4f(change, 0.0);
  }
}
