// Images [B, channels, side, side] as rows of patches [B·grid², channels·patchSide²], tiled in f16: the operand of the patch embedding. A row has
// its channels first, as a convolution's weight does. Columns beyond the last are zero.

#include <grid>
#include <elementwise>

struct Sizes {
  count: u32,
  channels: u32,
  // Pixels of an image's edge and of a patch's edge; patches along an edge.
  side: u32,
  patchSide: u32,
  grid: u32,
  // Tiles of a row.
  tiles: u32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> pixels: array<f32>;
@group(0) @binding(2) var<storage, read_write> patches: array<f16>;

fn computeElement(i: u32) {
  let area = sizes.patchSide * sizes.patchSide;
  let width = sizes.channels * area;
  let row = i / width;
  let column = i % width;
  let cell = row % (sizes.grid * sizes.grid);
  let y = cell / sizes.grid * sizes.patchSide + column % area / sizes.patchSide;
  let x = cell % sizes.grid * sizes.patchSide + column % sizes.patchSide;
  let image = row / (sizes.grid * sizes.grid);
  let pixel = pixels[((image * sizes.channels + column / area) * sizes.side + y) * sizes.side + x];
  patches[(row / 16u * sizes.tiles + column / 16u) * 256u + row % 16u * 16u + column % 16u] = f16(pixel);
}
