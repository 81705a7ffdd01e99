// One radix pass, last part: each workgroup moves the pairs of its chunk to their places, stably, 256 a round.
//
// A pair's place is where its digit's run of this group begins, plus how many pairs of the same digit come before it.
// The threads of a round are eight groups of 32 lanes; each thread sets its lane's bit in the mask of (lane group, digit),
// and a rank is a count of bits. Setting bits commutes, so the order in which threads run cannot show.

#include <chunks>
#include <workgroup_scan>

@group(0) @binding(0) var<storage, read> counts: array<u32>;
@group(0) @binding(1) var<storage, read> histogram: array<u32>;
@group(0) @binding(2) var<storage, read> totals: array<u32>;
@group(0) @binding(3) var<storage, read> keys_in: array<u32>;
@group(0) @binding(4) var<storage, read> values_in: array<u32>;
@group(0) @binding(5) var<storage, read_write> keys_out: array<u32>;
@group(0) @binding(6) var<storage, read_write> values_out: array<u32>;

const LANES = 32u;
const LANE_GROUPS = THREADS / LANES;

var<workgroup> masks: array<atomic<u32>, LANE_GROUPS * DIGITS>;
var<workgroup> places: array<u32, DIGITS>; // where the next pair of each digit goes

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let count = min(counts[COUNT_WORD], CAPACITY);
  if (group.x >= active_chunks(count)) {
    return;
  }
  var total = 0u;
  if (thread < DIGITS) {
    total = totals[thread];
  }
  let smaller_digits = workgroup_scan(thread, total).before;
  if (thread < DIGITS) {
    places[thread] = smaller_digits + histogram[thread * GROUPS + group.x];
  }

  let lane_group = thread / LANES;
  let lane_bit = 1u << (thread % LANES);
  let size = chunk_size(count);
  let end = min(count, (group.x + 1u) * size);
  for (var round = group.x * size; round < end; round += THREADS) {
    let i = round + thread;
    let here = i < end;
    var key = 0u;
    var digit = 0u;
    if (here) {
      key = keys_in[i];
      digit = (key >> SHIFT) % DIGITS;
      atomicOr(&masks[lane_group * DIGITS + digit], lane_bit);
    }
    workgroupBarrier();
    if (here) {
      let own = atomicLoad(&masks[lane_group * DIGITS + digit]);
      var place = places[digit] + countOneBits(own & (lane_bit - 1u));
      for (var earlier = 0u; earlier < lane_group; earlier++) {
        place += countOneBits(atomicLoad(&masks[earlier * DIGITS + digit]));
      }
      keys_out[place] = key;
      values_out[place] = value_of(i);
    }
    workgroupBarrier();
    if (thread < DIGITS) {
      var moved = 0u;
      for (var g = 0u; g < LANE_GROUPS; g++) {
        moved += countOneBits(atomicExchange(&masks[g * DIGITS + thread], 0u));
      }
      places[thread] += moved;
    }
    workgroupBarrier();
  }
}

fn value_of(i: u32) -> u32 {
  if (IDENTITY) {
    return i;
  }
  return values_in[i];
}
