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
