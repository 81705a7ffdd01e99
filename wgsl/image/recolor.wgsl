// An affine change of colour, c' = M·c + o, of a picture on black, f32 [P, 4] with rgb premultiplied by alpha, over a background:
// max(M·rgb + α·o, 0) + (1 − α)·background, and alpha. One thread a pixel.

#include <grid>

struct Recolor {
  // Rows of M; in w, the offset of the channel.
  red: vec4f,
  green: vec4f,
  blue: vec4f,
  background: vec3f,
  pixels: u32,
}

@group(0) @binding(0) var<uniform> recolor: Recolor;
@group(0) @binding(1) var<storage, read> picture: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> result: array<vec4f>;

@compute @workgroup_size(GROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let pixel = linearGroup(group, groups) * GROUP + thread;
  if (pixel >= recolor.pixels) {
    return;
  }
  let value = picture[pixel];
  let changed = vec3f(dot(recolor.red, value), dot(recolor.green, value), dot(recolor.blue, value));
  result[pixel] = vec4f(max(changed, vec3f()) + (1.0 - value.a) * recolor.background, value.a);
}
