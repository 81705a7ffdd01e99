// The depth of a frame as two pictures: u16 [P] in `unit`, two pixels a word, rounded half up; and rgba8 [P], a colour map of inverse
// depth from `far` (dark) to `near` (bright). Pixels with an alpha below a half show no surface: 0, and black. One thread two pixels.

#include <grid>

struct Range {
  // World units.
  unit: f32,
  near: f32,
  far: f32,
  _pad: f32,
}

@group(0) @binding(0) var<uniform> range: Range;
@group(0) @binding(1) var<storage, read> rgba8: array<u32>;
@group(0) @binding(2) var<storage, read> depth: array<f32>;
@group(0) @binding(3) var<storage, read_write> units: array<u32>;
@group(0) @binding(4) var<storage, read_write> preview: array<u32>;

// The map viridis of matplotlib, as a polynomial within 5 of 255 (Matt Zucker, CC0, https://www.shadertoy.com/view/WlfXRN).
fn viridis(t: f32) -> vec3f {
  var sum = vec3f(-5.435455855934631, 4.645852612178535, 26.3124352495832);
  sum = sum * t + vec3f(4.776384997670288, -13.74514537774601, -65.35303263337234);
  sum = sum * t + vec3f(6.228269936347081, 14.17993336680509, 56.69055260068105);
  sum = sum * t + vec3f(-4.634230498983486, -5.799100973351585, -19.33244095627987);
  sum = sum * t + vec3f(-0.3308618287255563, 0.214847559468213, 0.09509516302823659);
  sum = sum * t + vec3f(0.1050930431085774, 1.404613529898575, 1.384590162594685);
  return sum * t + vec3f(0.2777273272234177, 0.005407344544966578, 0.3340998053353061);
}

fn shade(z: f32) -> u32 {
  let t = clamp((1.0 / z - 1.0 / range.far) / (1.0 / range.near - 1.0 / range.far), 0.0, 1.0);
  let level = vec3u(clamp(viridis(t), vec3f(0.0), vec3f(1.0)) * 255.0 + 0.5);
  return level.r | (level.g << 8u) | (level.b << 16u);
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let word = linearGroup(group, groups) * 256u + lane;
  if (2u * word >= PIXELS) {
    return;
  }
  var packed = 0u;
  for (var k = 0u; k < 2u; k++) {
    let pixel = 2u * word + k;
    if (pixel >= PIXELS) {
      break;
    }
    let z = depth[pixel];
    var color = 0u;
    if ((rgba8[pixel] >> 24u) >= 128u && z > 0.0) {
      packed |= u32(clamp(z / range.unit + 0.5, 1.0, 65535.0)) << (16u * k);
      color = shade(z);
    }
    preview[pixel] = color | 0xff000000u;
  }
  units[word] = packed;
}
