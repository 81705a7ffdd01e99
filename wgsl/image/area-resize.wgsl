// A picture at a smaller size, by area averaging: each output pixel is the mean of the input area that it covers, with fractional edges, on the
// stored values. Along an axis, lengths are counted in input pixels ÷ output pixels, so that an overlap is a whole number: input pixel k
// covers [k, k + 1)·inputStep, output pixel i covers [i, i + 1)·outputStep, where inputStep is the output's size, and outputStep the input's. Channels are rounded half up. rgba8 [fromHeight, fromWidth] to
// rgba8 [height, width], one thread an output pixel.

#include <grid>

struct Sizes {
  width: u32,
  height: u32,
  fromWidth: u32,
  fromHeight: u32,
  // Without their common divisor.
  inputStep: vec2u,
  outputStep: vec2u,
  scale: f32, // 1 ÷ the area of an output pixel in these lengths
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> photo: array<u32>;
@group(0) @binding(2) var<storage, read_write> rgba8: array<u32>;

fn overlap(cell: u32, step: u32, start: u32, end: u32) -> u32 {
  return min(end, (cell + 1u) * step) - max(start, cell * step);
}

@compute @workgroup_size(GROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let pixel = linearGroup(group, groups) * GROUP + thread;
  if (pixel >= sizes.width * sizes.height) {
    return;
  }
  let start = vec2u(pixel % sizes.width, pixel / sizes.width) * sizes.outputStep;
  let end = start + sizes.outputStep;
  let first = start / sizes.inputStep;
  let last = (end - 1u) / sizes.inputStep;
  var sum = vec4f();
  for (var y = first.y; y <= last.y; y++) {
    // At most 255 × 16,384: whole numbers, exact in f32.
    var row = vec4u();
    for (var x = first.x; x <= last.x; x++) {
      let word = photo[y * sizes.fromWidth + x];
      row += overlap(x, sizes.inputStep.x, start.x, end.x) * (vec4u(word, word >> 8u, word >> 16u, word >> 24u) & vec4u(255u));
    }
    sum += f32(overlap(y, sizes.inputStep.y, start.y, end.y)) * vec4f(row);
  }
  let level = vec4u(min(sum * sizes.scale + 0.5, vec4f(255.0)));
  rgba8[pixel] = level.r | (level.g << 8u) | (level.b << 16u) | (level.a << 24u);
}
