// Finished pixels, rgba8 [H, W], to the planes that video encoders read: Y' [H, W], Cb [H/2, W/2], Cr [H/2, W/2], one byte a value
// (I420). BT.709 matrix, limited range (Rec. ITU-R BT.709-6, sections 3 and 4), chroma the mean of 2×2 pixels, each value
// rounded half up. Uses integers, so that every adapter gives the same bytes. One thread a word of four bytes.

#include <grid>

@group(0) @binding(0) var<storage, read> rgba8: array<u32>;
@group(0) @binding(1) var<storage, read_write> planes: array<u32>;

fn channels(x: u32, y: u32) -> vec3i {
  let word = rgba8[y * WIDTH + x];
  return vec3i(vec3u(word, word >> 8u, word >> 16u) & vec3u(255u));
}

// Σ weights·rgb + offset, from fixed point to a byte.
fn level(rgb: vec3i, weights: vec3i, offset: i32) -> u32 {
  let sum = rgb * weights;
  return u32((sum.x + sum.y + sum.z + offset) >> FRACTION_BITS);
}

fn chroma(at: u32, weights: vec3i) -> u32 {
  let x = 2u * (at % (WIDTH / 2u));
  let y = 2u * (at / (WIDTH / 2u));
  let sum = channels(x, y) + channels(x + 1u, y) + channels(x, y + 1u) + channels(x + 1u, y + 1u);
  return level(sum, weights, CHROMA_OFFSET);
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let word = linearGroup(group, groups) * 256u + lane;
  let pixels: u32 = WIDTH * HEIGHT;
  let bytes = pixels + pixels / 2u;
  if (4u * word >= bytes) {
    return;
  }
  var packed = 0u;
  for (var k = 0u; k < 4u; k++) {
    let at = 4u * word + k;
    var value = 0u;
    if (at < pixels) {
      let rgb = channels(at % WIDTH, at / WIDTH);
      value = level(rgb, vec3i(LUMA_RED, LUMA_GREEN, LUMA_BLUE), LUMA_OFFSET);
    } else if (at < pixels + pixels / 4u) {
      value = chroma(at - pixels, vec3i(CB_RED, CB_GREEN, CB_BLUE));
    } else if (at < bytes) {
      value = chroma(at - pixels - pixels / 4u, vec3i(CR_RED, CR_GREEN, CR_BLUE));
    }
    packed |= value << (8u * k);
  }
  planes[word] = packed;
}
