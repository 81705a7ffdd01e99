// A picture in half precision, 8 bytes a pixel. `pack`: a picture on black, f32 [P, 4], to f16 [P, 4]: rgb premultiplied by alpha, and
// alpha. `composite`: the reverse, over a background. One thread a pixel.

#include <grid>

struct View {
  background: vec3f, // of composite
  pixels: u32,
}

@group(0) @binding(0) var<uniform> view: View;
@group(0) @binding(1) var<storage, read_write> picture: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> halves: array<vec2u>;

@compute @workgroup_size(256)
fn pack(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let pixel = linearGroup(group, groups) * 256u + lane;
  if (pixel < view.pixels) {
    let value = picture[pixel];
    halves[pixel] = vec2u(pack2x16float(value.rg), pack2x16float(value.ba));
  }
}

@compute @workgroup_size(256)
fn composite(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let pixel = linearGroup(group, groups) * 256u + lane;
  if (pixel < view.pixels) {
    let words = halves[pixel];
    let value = vec4f(unpack2x16float(words.x), unpack2x16float(words.y));
    picture[pixel] = vec4f(value.rgb + (1.0 - value.a) * view.background, value.a);
  }
}
