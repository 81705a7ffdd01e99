// Finished pixels over a background, rgba8 [P], to straight alpha: colours without the background and not multiplied by alpha, as PNG
// and WebP store them. Composited over the background again, they differ from the input by rounding. One thread a pixel.

#include <grid>

@group(0) @binding(0) var<storage, read> rgba8: array<u32>;
@group(0) @binding(1) var<storage, read_write> straight: array<u32>;

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
  let word = rgba8[pixel];
  let alpha = word >> 24u;
  if (alpha == 0u) {
    straight[pixel] = 0u;
    return;
  }
  let over = vec3f((vec3u(word) >> vec3u(0u, 8u, 16u)) & vec3u(255u)) / 255.0;
  let share = f32(alpha) / 255.0;
  let color = (over - (1.0 - share) * vec3f(RED, GREEN, BLUE)) / share;
  let level = vec3u(clamp(color, vec3f(0.0), vec3f(1.0)) * 255.0 + 0.5);
  straight[pixel] = level.r | (level.g << 8u) | (level.b << 16u) | (alpha << 24u);
}
