// dots [images, heads, queries]: of each query's output with its gradient, Σ_d output·gradOutput, which attention-backward subtracts from the
// gradients of the weights. `output` is tiled [images·queries, heads·HEAD_TILES·16], `gradOutput` by (image, head).

#include <grid>
#include <elementwise>

struct Sizes {
  count: u32,
  heads: u32,
  queries: u32,
  queryTiles: u32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> output: array<vec4<f16>>;
@group(0) @binding(2) var<storage, read> gradOutput: array<vec4<f16>>;
@group(0) @binding(3) var<storage, read_write> dots: array<f32>;

fn computeElement(index: u32) {
  let query = index % sizes.queries;
  let head = index / sizes.queries % sizes.heads;
  let image = index / (sizes.queries * sizes.heads);
  let row = image * sizes.queries + query;
  let outputAt = (row / 16u * sizes.heads + head) * HEAD_TILES * 256u + row % 16u * 16u;
  let gradAt = ((image * sizes.heads + head) * sizes.queryTiles + query / 16u) * HEAD_TILES * 256u + query % 16u * 16u;
  var sum = 0.0;
  for (var tile = 0u; tile < HEAD_TILES; tile++) {
    for (var quad = 0u; quad < 4u; quad++) {
      let i = tile * 64u + quad;
      sum += dot(vec4f(output[outputAt / 4u + i]), vec4f(gradOutput[gradAt / 4u + i]));
    }
  }
  dots[index] = sum;
}
