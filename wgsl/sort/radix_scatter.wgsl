// One radix pass, last part: each workgroup moves the pairs of its chunk to their places, stably, THREADS a round.
//
// A pair's place is where its digit's run of this chunk begins, plus how many pairs of the same digit come before it. The
// threads of a round are groups of 32 lanes; each thread sets its lane's bit in the mask of (lane group, digit), and a
// rank is a count of bits. Setting bits commutes, so the order in which threads run cannot show.

#include <chunks>
#include <radix_pass>
#include <workgroup_scan>

@group(0) @binding(0) var<uniform> radix: Pass;
@group(0) @binding(1) var<storage, read> counts: array<u32>;
@group(0) @binding(2) var<storage, read> histogram: array<u32>;
@group(0) @binding(3) var<storage, read> totals: array<u32>;
@group(0) @binding(4) var<storage, read> keys_in: array<u32>;
@group(0) @binding(5) var<storage, read> values_in: array<u32>;
@group(0) @binding(6) var<storage, read_write> keys_out: array<u32>;
@group(0) @binding(7) var<storage, read_write> values_out: array<u32>;
@group(0) @binding(8) var<storage, read_write> kept: array<u32>;

const LANES = 32u;
const LANE_GROUPS = THREADS / LANES;

var<workgroup> masks: array<atomic<u32>, LANE_GROUPS * MAX_DIGITS>;
var<workgroup> places: array<u32, MAX_DIGITS>; // where the next pair of each digit goes

// THREADS is MAX_DIGITS: one thread keeps one digit's place.
@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let count = min(counts[radix.count_word], radix.capacity);
  if (group.x >= max(1u, active_chunks(count, radix.workers))) {
    return;
  }
  var total = 0u;
  var earlier_chunks = 0u;
  if (thread < radix.digits) {
    total = totals[thread];
    earlier_chunks = histogram[thread * radix.workers + group.x];
  }
  let scanned = workgroup_scan(thread, total, radix.digits);
  places[thread] = scanned.before + earlier_chunks;
  if (radix.sparse == 1u && group.x == 0u && thread == 0u) {
    kept[radix.kept_word] = scanned.total;
  }

  let lane_group = thread / LANES;
  let lane_bit = 1u << (thread % LANES);
  let size = chunk_size(count, radix.workers);
  let end = min(count, (group.x + 1u) * size);
  for (var round = group.x * size; round < end; round += THREADS) {
    let i = round + thread;
    var here = i < end;
    var key = 0u;
    var digit = 0u;
    if (here) {
      key = keys_in[i];
      here = keeps(key, radix);
    }
    if (here) {
      digit = digit_of(key, radix);
      atomicOr(&masks[lane_group * MAX_DIGITS + digit], lane_bit);
    }
    workgroupBarrier();
    if (here) {
      let own = atomicLoad(&masks[lane_group * MAX_DIGITS + digit]);
      var place = places[digit] + countOneBits(own & (lane_bit - 1u));
      for (var earlier = 0u; earlier < lane_group; earlier++) {
        place += countOneBits(atomicLoad(&masks[earlier * MAX_DIGITS + digit]));
      }
      keys_out[place] = key;
      if (radix.identity == 1u) {
        values_out[place] = i;
      } else {
        values_out[place] = values_in[i];
      }
    }
    workgroupBarrier();
    var moved = 0u;
    for (var g = 0u; g < LANE_GROUPS; g++) {
      moved += countOneBits(atomicExchange(&masks[g * MAX_DIGITS + thread], 0u));
    }
    places[thread] += moved;
    workgroupBarrier();
  }
}
