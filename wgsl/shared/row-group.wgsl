// Kernels with one workgroup of THREADS invocations a row: the row's number, and reductions over its invocations in a fixed order. All
// invocations call a reduction together.

const PARTIALS = THREADS / SUBGROUP;
var<workgroup> partials: array<f32, PARTIALS>;

fn rowTotal(at: SubgroupThread, value: f32) -> f32 {
  let sum = subgroupAdd(value);
  if (at.lane == 0u) {
    partials[subgroupOf(at)] = sum;
  }
  workgroupBarrier();
  var total = partials[0];
  for (var i = 1u; i < PARTIALS; i++) {
    total += partials[i];
  }
  workgroupBarrier();
  return total;
}

fn rowLargest(at: SubgroupThread, value: f32) -> f32 {
  let largest = subgroupMax(value);
  if (at.lane == 0u) {
    partials[subgroupOf(at)] = largest;
  }
  workgroupBarrier();
  var result = partials[0];
  for (var i = 1u; i < PARTIALS; i++) {
    result = max(result, partials[i]);
  }
  workgroupBarrier();
  return result;
}

// The power of two that brings the largest magnitude of a row into [1/2, 1) when the row is divided by it; 0 for a row of zeros.
// At most 2^126, for a reciprocal that is a normal number: rows beyond 2^127 reach 4.
fn powerOfTwo(largest: f32) -> f32 {
  return select(0.0, ldexp(1.0, clamp(frexp(largest).exp, -100, 126)), largest > 0.0);
}

fn tiled(row: u32, column: u32, tiles: u32) -> u32 {
  return (row / 16u * tiles + column / 16u) * 256u + row % 16u * 16u + column % 16u;
}
