// A photograph as a pinhole camera sees it: for each output pixel the ray, its place in the photograph by the lens (`distort` of
// stages/load/lens.ts has the formulas), and the four nearest pixels there, interpolated linearly on the stored values; the border
// continues outside, or with BLANKS those pixels are 0, and so are the rays beyond the fold of the lens. Channels are rounded half up. rgba8 [fromHeight, fromWidth] to rgba8 [height, width], one thread a pixel.

#include <grid>

struct Undistortion {
  pinholeFocal: vec2f,
  pinholeCenter: vec2f,
  focal: vec2f,
  center: vec2f,
  radial: vec4f,
  radialDivisor: vec3f,
  atanScale: f32,
  tangential: vec2f,
  prism: vec2f,
  atanDivisor: f32,
  width: u32,
  height: u32,
  fromWidth: u32,
  fromHeight: u32,
  // Of a ray after the atan step.
  foldRadius: f32,
}

@group(0) @binding(0) var<uniform> undistortion: Undistortion;
@group(0) @binding(1) var<storage, read> photo: array<u32>;
@group(0) @binding(2) var<storage, read_write> rgba8: array<u32>;

// Of x ≥ 0, to 2 units in the last place (Cephes, atanf): the accuracy of WGSL's own `atan` is 4,096 units, half a pixel.
fn arctangent(x: f32) -> f32 {
  var offset = 0.0;
  var t = x;
  if (x > 2.414213562) {
    offset = 1.570796327;
    t = -1.0 / x;
  } else if (x > 0.4142135624) {
    offset = 0.7853981634;
    t = (x - 1.0) / (x + 1.0);
  }
  let z = t * t;
  let series = ((0.0805374449538 * z - 0.138776856032) * z + 0.199777106478) * z - 0.333329491539;
  return offset + (series * z * t + t);
}

// Place in the photograph, and 1 where the lens has an inverse there, else 0.
fn distort(ray: vec2f) -> vec3f {
  var p = ray;
  let lens = undistortion;
  if (lens.atanDivisor > 0.0) {
    let radius = length(ray);
    // The limit at radius 0.
    var factor = lens.atanScale / lens.atanDivisor;
    if (radius > 1e-6) {
      factor = arctangent(lens.atanScale * radius) / (lens.atanDivisor * radius);
    }
    p *= factor;
  }
  let r2 = dot(p, p);
  let powers = vec4f(r2, r2 * r2, r2 * r2 * r2, r2 * r2 * r2 * r2);
  let factor = (1.0 + dot(lens.radial, powers)) / (1.0 + dot(lens.radialDivisor, powers.xyz));
  let tangential = 2.0 * p * dot(p, lens.tangential.yx) + lens.tangential.yx * r2;
  let place = lens.focal * (p * factor + tangential + lens.prism * r2) + lens.center;
  return vec3f(place, select(0.0, 1.0, r2 < lens.foldRadius * lens.foldRadius));
}

fn colorAt(place: vec2i) -> vec4f {
  let size = vec2i(i32(undistortion.fromWidth), i32(undistortion.fromHeight));
  let inside = clamp(place, vec2i(0), size - 1);
  let word = photo[inside.y * size.x + inside.x];
  return vec4f(vec4u(word, word >> 8u, word >> 16u, word >> 24u) & vec4u(255u));
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let pixel = linearGroup(group, groups) * 256u + lane;
  let width = undistortion.width;
  if (pixel >= width * undistortion.height) {
    return;
  }
  let center = vec2f(f32(pixel % width), f32(pixel / width)) + 0.5;
  let distorted = distort((center - undistortion.pinholeCenter) / undistortion.pinholeFocal);
  if (BLANKS) {
    let size = vec2f(f32(undistortion.fromWidth), f32(undistortion.fromHeight));
    if (distorted.z == 0.0 || any(distorted.xy < vec2f(0.0)) || any(distorted.xy > size)) {
      rgba8[pixel] = 0u;
      return;
    }
  }
  let place = distorted.xy - 0.5;
  let corner = floor(place);
  let part = place - corner;
  let at = vec2i(corner);
  let above = mix(colorAt(at), colorAt(at + vec2i(1, 0)), part.x);
  let below = mix(colorAt(at + vec2i(0, 1)), colorAt(at + vec2i(1, 1)), part.x);
  let level = vec4u(mix(above, below, part.y) + 0.5);
  rgba8[pixel] = level.r | (level.g << 8u) | (level.b << 16u) | (level.a << 24u);
}
