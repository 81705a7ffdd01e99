// Prefix sums over the first `count` of a workgroup's THREADS threads (Hillis and Steele), without subgroups.

var<workgroup> scanValues: array<u32, THREADS>;

// A sum that would wrap becomes 2^32 − 1, so that a total that is too large is detected.
fn saturatingAdd(a: u32, b: u32) -> u32 {
  return select(a + b, 0xffffffffu, a + b < a);
}

struct Scanned {
  before: u32, // sum over the threads before this one
  total: u32, // sum over the first `count` threads
}

// All threads call it, in uniform control flow; threads at or beyond `count` pass 0, and their `before` is undefined.
// `count` must not be a compile-time constant: Mesa otherwise unrolls the loop and compiles it for seconds.
fn workgroupScan(thread: u32, value: u32, count: u32) -> Scanned {
  var sum = value;
  scanValues[thread] = sum;
  workgroupBarrier();
  for (var step = 1u; step < count; step *= 2u) {
    if (thread >= step) {
      sum = saturatingAdd(sum, scanValues[thread - step]);
    }
    workgroupBarrier();
    scanValues[thread] = sum;
    workgroupBarrier();
  }
  let total = scanValues[max(count, 1u) - 1u];
  workgroupBarrier(); // the next call writes the same memory
  return Scanned(sum - value, total);
}
