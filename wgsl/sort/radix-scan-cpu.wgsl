// Second kernel of a radix pass: one workgroup, a thread a digit, turns the counts of histogram [workers, digits] into the
// places of each worker's first key of each digit.

#include <chunks>
#include <radix-pass>
#include <workgroup-scan>

@group(0) @binding(0) var<uniform> radix: Pass;
@group(0) @binding(1) var<storage, read> counts: array<u32>;
@group(0) @binding(2) var<storage, read_write> histogram: array<u32>;
@group(0) @binding(3) var<storage, read_write> nonzeroCount: array<u32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(local_invocation_index) digit: u32) {
  let count = min(counts[radix.countWord], radix.capacity);
  let rows = select(0u, activeChunks(count, radix.workers), digit < radix.digits);
  var sum = 0u;
  for (var row = 0u; row < rows; row++) {
    sum += histogram[row * radix.digits + digit];
  }
  let scanned = workgroupScan(digit, sum, radix.digits);
  if (radix.skipZeros == 1u && digit == 0u) {
    nonzeroCount[radix.nonzeroWord] = scanned.total;
  }
  var place = scanned.before;
  for (var row = 0u; row < rows; row++) {
    let own = histogram[row * radix.digits + digit];
    histogram[row * radix.digits + digit] = place;
    place += own;
  }
}
