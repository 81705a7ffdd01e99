// The first residual stream [images·tokens, width] of a vision transformer (Dosovitskiy et al. 2021, eq. 1), normalised with HAS_NORM as
// CLIP does.

#include <subgroup-thread>
#include <row-group>
#include <finite>
#include <patch-token>

@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read_write> stream: array<f32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, at: SubgroupThread) {
  let row = group.x;
  let tokens = sizes.patches + sizes.classTokens;
  let token = loadToken(at, row / tokens, row % tokens);
  for (var v = 0u; v < VALUES; v++) {
    let column = v * THREADS + threadOf(at);
    if (column < sizes.width) {
      var value = token.values[v];
      if (HAS_NORM) {
        value = value * weight[column] + bias[column];
      }
      stream[row * sizes.width + column] = value;
    }
  }
}
