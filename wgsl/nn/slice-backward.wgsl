// dL/dx (+)= dL/dy in the part of x from `offset` on, `length` elements, and 0 elsewhere. `first` is the first element of x that is
// written: where the gradient is added to, the part alone.

#include <grid>
#include <elementwise>
#include <input-gradient>

struct Sizes {
  accumulates: u32,
  count: u32,
  first: u32,
  offset: u32,
  length: u32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> gradY: array<f32>;
@group(0) @binding(2) var<storage, read_write> gradX: array<f32>;

fn computeElement(i: u32) {
  let at = sizes.first + i;
  let isInside = at >= sizes.offset && at - sizes.offset < sizes.length;
  writeGradX(at, select(0.0, gradY[select(0u, at - sizes.offset, isInside)], isInside));
}
