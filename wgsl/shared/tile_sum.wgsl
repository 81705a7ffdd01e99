// Sum of a vec3f over a workgroup of THREADS (a multiple of 16) threads, in an order that never changes: rows of 16, then
// the rows' sums.

const SUM_ROW = 16u;

var<workgroup> tile_sums: array<vec3f, THREADS>;

// To be called by all threads, in uniform control flow; only thread 0 gets the sum.
fn tile_sum(thread: u32, value: vec3f) -> vec3f {
  tile_sums[thread] = value;
  workgroupBarrier();
  var sum = value;
  if (thread % SUM_ROW == 0u) {
    for (var i = thread + 1u; i < thread + SUM_ROW; i++) {
      sum += tile_sums[i];
    }
    tile_sums[thread] = sum;
  }
  workgroupBarrier();
  if (thread == 0u) {
    for (var row = SUM_ROW; row < THREADS; row += SUM_ROW) {
      sum += tile_sums[row];
    }
  }
  return sum;
}
