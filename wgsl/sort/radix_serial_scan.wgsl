// One radix pass for CPUs behind a software driver, second part: one workgroup, a thread a digit, turns the counts of
// histogram [GROUPS, DIGITS] into the places where each walker's first key of each digit goes.

#include <chunks>
#include <workgroup_scan>

@group(0) @binding(0) var<storage, read> counts: array<u32>;
@group(0) @binding(1) var<storage, read_write> histogram: array<u32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(local_invocation_index) digit: u32) {
  let rows = select(0u, active_chunks(min(counts[COUNT_WORD], CAPACITY)), digit < DIGITS);
  var sum = 0u;
  for (var row = 0u; row < rows; row++) {
    sum += histogram[row * DIGITS + digit];
  }
  var place = workgroup_scan(digit, sum).before;
  for (var row = 0u; row < rows; row++) {
    let own = histogram[row * DIGITS + digit];
    histogram[row * DIGITS + digit] = place;
    place += own;
  }
}
