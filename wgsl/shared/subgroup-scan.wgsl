// Prefix sums over a workgroup of THREADS threads, in subgroups of SUBGROUP in the order of the threads.

const SUBGROUPS = u32(THREADS / SUBGROUP);

var<workgroup> subgroupSums: array<u32, SUBGROUPS>;

struct Scanned {
  before: u32, // sum over the threads before this one
  total: u32, // sum over all threads
}

// All threads call it, in uniform control flow, with a barrier between two calls.
fn subgroupScan(thread: u32, value: u32) -> Scanned {
  let inclusive = subgroupInclusiveAdd(value);
  let own = thread / u32(SUBGROUP);
  if (thread % u32(SUBGROUP) == u32(SUBGROUP) - 1u) {
    subgroupSums[own] = inclusive;
  }
  workgroupBarrier();
  var scanned = Scanned(inclusive - value, 0u);
  for (var k = 0u; k < SUBGROUPS; k++) {
    let sum = subgroupSums[k];
    scanned.before += select(0u, sum, k < own);
    scanned.total += sum;
  }
  return scanned;
}
