// Packs the weights of a linear layer [outputs, inputs] as two tiled f16 matrices: W for y = x·Wᵀ, Wᵀ for the gradient. Both are multiplied
// by `scale`, and column i by inputScales[i]. Rows and columns of the packed matrices are padded: `outputMap` and `inputMap` give the source
// row and column of each, or 0xffffffff for zeros.

#include <grid>
#include <elementwise>

struct Sizes {
  count: u32,
  inputs: u32,
  // Padded, tiles.
  outputTiles: u32,
  inputTiles: u32,
  scale: f32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> inputScales: array<f32>;
@group(0) @binding(3) var<storage, read> outputMap: array<u32>;
@group(0) @binding(4) var<storage, read> inputMap: array<u32>;
@group(0) @binding(5) var<storage, read_write> forward: array<f16>;
@group(0) @binding(6) var<storage, read_write> backward: array<f16>;

const PADDING = 0xffffffffu;

fn computeElement(i: u32) {
  let row = i / (sizes.inputTiles * 16u);
  let column = i % (sizes.inputTiles * 16u);
  let output = outputMap[row];
  let input = inputMap[column];
  var value = 0.0;
  if (output != PADDING && input != PADDING) {
    value = sizes.scale * inputScales[input] * weight[output * sizes.inputs + input];
  }
  forward[(row / 16u * sizes.inputTiles + column / 16u) * 256u + row % 16u * 16u + column % 16u] = f16(value);
  backward[(column / 16u * sizes.outputTiles + row / 16u) * 256u + column % 16u * 16u + row % 16u] = f16(value);
}
