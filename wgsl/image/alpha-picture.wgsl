// The alpha of finished pixels, rgba8 [P], as opaque grey ones. One thread a pixel.

#include <grid>

@group(0) @binding(0) var<storage, read> rgba8: array<u32>;
@group(0) @binding(1) var<storage, read_write> gray: array<u32>;

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
  gray[pixel] = ((rgba8[pixel] >> 24u) * 0x010101u) | 0xff000000u;
}
