// Sum of a vec3f over a workgroup of THREADS (a multiple of 16) threads, in a fixed order: rows of 16, then
// the sums of the rows. The including kernel declares `workspace`, THREADS vec4f or more in workgroup memory.

const SUM_ROW = 16u;

// All threads call it, in uniform control flow; only thread 0 gets the sum.
fn tileSum(thread: u32, value: vec3f) -> vec3f {
  workspace[thread] = vec4f(value, 0.0);
  workgroupBarrier();
  var sum = value;
  if (thread % SUM_ROW == 0u) {
    for (var i = thread + 1u; i < thread + SUM_ROW; i++) {
      sum += workspace[i].xyz;
    }
    workspace[thread] = vec4f(sum, 0.0);
  }
  workgroupBarrier();
  if (thread == 0u) {
    for (var row = SUM_ROW; row < THREADS; row += SUM_ROW) {
      sum += workspace[row].xyz;
    }
  }
  return sum;
}
