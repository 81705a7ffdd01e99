// Blended normals to finished pixels: f32 [P, 4], Σ weight · (normal + 1)/2 over a grey background and alpha, to rgba8 [P]: unit
// normals as (normal + 1)/2, rounded half up. Pixels with an alpha below a half show no surface: black. One thread a pixel.

#include <grid>

@group(0) @binding(0) var<storage, read> picture: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> rgba8: array<u32>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let pixel = linearGroup(group, groups) * 256u + lane;
  if (pixel >= PIXELS) {
    return;
  }
  let normal = 2.0 * picture[pixel].rgb - 1.0;
  let size = length(normal);
  var color = 0u;
  if (u32(picture[pixel].a * 255.0 + 0.5) >= 128u && size > 0.0) {
    let level = vec3u((normal / size + 1.0) * 127.5 + 0.5);
    color = level.r | (level.g << 8u) | (level.b << 16u);
  }
  rgba8[pixel] = color | 0xff000000u;
}
