// A·B (+ bias) by head, for attention: queries, keys and values of all heads side by side in the columns, from part FIRST_PART on. The matrices of
// a (image, head) are tiled [tokens, HEAD_TILES·16] by themselves, so that no tile has rows of two images. `heads` has sections of
// sectionSize elements: queries, keys, values.

#include <fragment-product>

struct Product {
  rows: u32,
  columns: u32,
  depthTiles: u32,
  columnTiles: u32,
  // Rows of A an image.
  tokens: u32,
  // Tiles of rows an image has in a section.
  tokenTiles: u32,
  headCount: u32,
  // Elements of a section.
  sectionSize: u32,
  scale: f32,
  outputScale: f32,
}

@group(0) @binding(0) var<uniform> product: Product;
@group(0) @binding(1) var<storage, read> a: buffer;
@group(0) @binding(2) var<storage, read> b: buffer;
@group(0) @binding(3) var<storage, read> bias: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> heads: array<vec4<f16>>;

const HEAD_WIDTH = HEAD_TILES * 16u;

fn finish(row: u32, column: u32, sum: vec4f) {
  var value = product.scale * sum;
  if (HAS_BIAS) {
    value += bias[column / 4u];
  }
  let part = FIRST_PART + column / (product.headCount * HEAD_WIDTH);
  let head = column / HEAD_WIDTH % product.headCount;
  let token = row % product.tokens;
  let start = (row / product.tokens * product.headCount + head) * product.tokenTiles * HEAD_TILES * 256u;
  let at = part * product.sectionSize + start + tiled(token, column % HEAD_WIDTH, HEAD_TILES);
  heads[at / 4u] = vec4<f16>(product.outputScale * value);
}
