// A·B (+ bias) by head, for attention: queries, keys and values of all heads side by side in the columns, from part FIRST_PART on. The matrices of
// a (image, head) are tiled [tokens, HEAD_TILES·16] by themselves, so that no tile has rows of two images. Keys and values are also
// stored transposed: each operand of a product is then a contiguous load. `heads` has sections of sectionSize elements: queries, keys, keysᵀ,
// values, valuesᵀ.

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
@group(0) @binding(1) var<storage, read> a: array<f16>;
@group(0) @binding(2) var<storage, read> b: array<f16>;
@group(0) @binding(3) var<storage, read> bias: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> heads: array<f16>;

const HEAD_WIDTH = HEAD_TILES * 16u;

fn finish(row: u32, column: u32, sum: vec4f) {
  var value = product.scale * sum;
  if (HAS_BIAS) {
    value += bias[column / 4u];
  }
  let halves = vec4<f16>(product.outputScale * value);
  let part = FIRST_PART + column / (product.headCount * HEAD_WIDTH);
  let head = column / HEAD_WIDTH % product.headCount;
  let d = column % HEAD_WIDTH;
  let token = row % product.tokens;
  let start = (row / product.tokens * product.headCount + head) * product.tokenTiles * HEAD_TILES * 256u;
  // Queries have one section, keys and values two each.
  let section = select(2u * part - 1u, 0u, part == 0u) * product.sectionSize;
  let at = section + start + tiled(token, d, HEAD_TILES);
  heads[at] = halves.x;
  heads[at + 1u] = halves.y;
  heads[at + 2u] = halves.z;
  heads[at + 3u] = halves.w;
  if (part > 0u) {
    let across = section + product.sectionSize + start + tiled(d, token, product.tokenTiles);
    heads[across] = halves.x;
    heads[across + 16u] = halves.y;
    heads[across + 32u] = halves.z;
    heads[across + 48u] = halves.w;
  }
}
