// Last kernel of a radix pass: each workgroup moves the pairs of its chunk to their places, stably, THREADS a round.
//
// The place of a pair is the start of its digit's run of this chunk, plus the number of earlier pairs of that digit. The
// threads of a round form groups of 32 lanes; each thread sets its lane's bit in the mask of (lane group, digit), and a
// rank is a count of bits. Setting bits commutes, so the result does not depend on the order of the threads.

#include <chunks>
#include <radix-pass>
#include <workgroup-scan>

@group(0) @binding(0) var<uniform> radix: Pass;
@group(0) @binding(1) var<storage, read> counts: array<u32>;
@group(0) @binding(2) var<storage, read> histogram: array<u32>;
@group(0) @binding(3) var<storage, read> totals: array<u32>;
@group(0) @binding(4) var<storage, read> keysIn: array<u32>;
@group(0) @binding(5) var<storage, read> valuesIn: array<u32>;
@group(0) @binding(6) var<storage, read_write> keysOut: array<u32>;
@group(0) @binding(7) var<storage, read_write> valuesOut: array<u32>;
@group(0) @binding(8) var<storage, read_write> nonzeroCount: array<u32>;

const LANES = 32u;
const LANE_GROUPS = THREADS / LANES;

var<workgroup> masks: array<atomic<u32>, LANE_GROUPS * MAX_DIGITS>;
var<workgroup> places: array<u32, MAX_DIGITS>; // place of the next pair of each digit

// THREADS is MAX_DIGITS: each thread updates the place of one digit.
@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let count = min(counts[radix.countWord], radix.capacity);
  if (group.x >= max(1u, activeChunks(count, radix.workers))) {
    return;
  }
  var total = 0u;
  var earlierChunks = 0u;
  if (thread < radix.digits) {
    total = totals[thread];
    earlierChunks = histogram[thread * radix.workers + group.x];
  }
  let scanned = workgroupScan(thread, total, radix.digits);
  places[thread] = scanned.before + earlierChunks;
  if (radix.skipZeros == 1u && group.x == 0u && thread == 0u) {
    nonzeroCount[radix.nonzeroWord] = scanned.total;
  }

  let laneGroup = thread / LANES;
  let laneBit = 1u << (thread % LANES);
  let size = chunkSize(count, radix.workers);
  let end = min(count, (group.x + 1u) * size);
  for (var round = group.x * size; round < end; round += THREADS) {
    let i = round + thread;
    var here = i < end;
    var key = 0u;
    var digit = 0u;
    if (here) {
      key = keysIn[i];
      here = includes(key, radix);
    }
    if (here) {
      digit = digitOf(key, radix);
      atomicOr(&masks[laneGroup * MAX_DIGITS + digit], laneBit);
    }
    workgroupBarrier();
    if (here) {
      let own = atomicLoad(&masks[laneGroup * MAX_DIGITS + digit]);
      var place = places[digit] + countOneBits(own & (laneBit - 1u));
      for (var earlier = 0u; earlier < laneGroup; earlier++) {
        place += countOneBits(atomicLoad(&masks[earlier * MAX_DIGITS + digit]));
      }
      keysOut[place] = key;
      if (radix.identity == 1u) {
        valuesOut[place] = i;
      } else {
        valuesOut[place] = valuesIn[i];
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
