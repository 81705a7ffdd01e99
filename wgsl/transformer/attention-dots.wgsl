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
@group(0) @binding(1) var<storage, read> output: array<f16>;
@group(0) @binding(2) var<storage, read> gradOutput: array<f16>;
@group(0) @binding(3) var<storage, read_write> dots: array<f32>;

fn computeElement(i: u32) {
  let query = i % sizes.queries;
  let head = i / sizes.queries % sizes.heads;
  let image = i / (sizes.queries * sizes.heads);
  let row = image * sizes.queries + query;
  let outputAt = (row / 16u * sizes.heads + head) * HEAD_TILES * 256u + row % 16u * 16u;
  let gradAt = ((image * sizes.heads + head) * sizes.queryTiles + query / 16u) * HEAD_TILES * 256u + query % 16u * 16u;
  var dot = 0.0;
  for (var tile = 0u; tile < HEAD_TILES; tile++) {
    for (var d = 0u; d < 16u; d++) {
      dot += f32(output[outputAt + tile * 256u + d]) * f32(gradOutput[gradAt + tile * 256u + d]);
    }
  }
  dots[i] = dot;
}
