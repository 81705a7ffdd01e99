// Cuts images [B, channels, side, side] into patches, rows of [B·grid², channels·patchSide²]. A row has its channels first, as a
// convolution's weight does, so that a patch embedding is a linear layer.

#include <grid>
#include <elementwise>

struct Sizes {
  count: u32,
  channels: u32,
  // Pixels of an image's edge and of a patch's edge; patches along an edge.
  side: u32,
  patchSide: u32,
  grid: u32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> pixels: array<f32>;
@group(0) @binding(2) var<storage, read_write> patches: array<f32>;

fn computeElement(i: u32) {
  let area = sizes.patchSide * sizes.patchSide;
  let width = sizes.channels * area;
  let row = i / width;
  let channel = i % width / area;
  let cell = row % (sizes.grid * sizes.grid);
  let y = cell / sizes.grid * sizes.patchSide + i % area / sizes.patchSide;
  let x = cell % sizes.grid * sizes.patchSide + i % sizes.patchSide;
  patches[i] = pixels[((row / (sizes.grid * sizes.grid) * sizes.channels + channel) * sizes.side + y) * sizes.side + x];
}
