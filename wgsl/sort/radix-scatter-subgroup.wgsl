// Last kernel of a radix pass: each workgroup moves the pairs of its chunk to their places, stably, up to STAGED_PAIRS at a time. It
// orders them in workgroup memory first, so that it writes the run of a digit as one.
//
// The place of a pair is the start of its digit among all pairs, plus the number of pairs of that digit in earlier chunks,
// plus the number of earlier pairs of that digit in the chunk. Chunks are few and long, so each workgroup sums the counts of
// the earlier ones itself. Subgroups count within the chunk: ballots find the lanes with the same digit (the match of Adinets
// and Merrill, "Onesweep", 2022), and each subgroup has its own table, so that the result does not depend on the order
// of the subgroups.

#include <chunks>
#include <radix-pass>
#include <subgroup-scan>
#include <subgroup-thread>

@group(0) @binding(0) var<uniform> radix: Pass;
@group(0) @binding(1) var<storage, read> counts: array<u32>;
@group(0) @binding(2) var<storage, read> histogram: array<vec4u>;
@group(0) @binding(3) var<storage, read> keysIn: array<u32>;
@group(0) @binding(4) var<storage, read> valuesIn: array<u32>;
@group(0) @binding(5) var<storage, read_write> keysOut: array<u32>;
@group(0) @binding(6) var<storage, read_write> valuesOut: array<u32>;
@group(0) @binding(7) var<storage, read_write> nonzeroCount: array<u32>;

const LANES = u32(SUBGROUP);
const DIGITS = 1u << WIDTH;
// A word of a subgroup's table holds two digits, HALF apart, with 16 bits each.
const HALF = DIGITS / 2u;
const STAGED_PAIRS = u32(THREADS * ITEMS);
// A row of the histogram in vec4u, and the number of threads that share a column of it.
const QUADS = max(1u, DIGITS / 4u);
const SHARES = max(1u, THREADS / QUADS);

// First the sums of the digits, then those over the earlier chunks; later the tables of the subgroups.
var<workgroup> table: array<atomic<u32>, max(SUBGROUPS, 4u) * HALF>;
var<workgroup> next: array<u32, DIGITS>; // destination of the next pair of each digit
var<workgroup> moves: array<u32, DIGITS>; // distance of a digit's pairs from their positions in `staged`
var<workgroup> staged: array<vec2u, STAGED_PAIRS>;

// The counts of four digits of a chunk, 0 beyond the last chunk.
fn counted(chunk: u32, chunks: u32, quad: u32) -> vec4u {
  return select(vec4u(0u), histogram[min(chunk, chunks - 1u) * QUADS + quad], chunk < chunks);
}

fn findNext(group: u32, thread: u32, chunks: u32) {
  for (var cell = thread; cell < SHARES * QUADS; cell += THREADS) {
    let quad = cell % QUADS;
    var sum = vec4u(0u);
    var earlier = vec4u(0u);
    for (var chunk = cell / QUADS; chunk < chunks; chunk += 4u * SHARES) {
      // Four loads in flight.
      let a = counted(chunk, chunks, quad);
      let b = counted(chunk + SHARES, chunks, quad);
      let c = counted(chunk + 2u * SHARES, chunks, quad);
      let d = counted(chunk + 3u * SHARES, chunks, quad);
      sum += a + b + c + d;
      earlier += select(vec4u(0u), a, chunk < group) + select(vec4u(0u), b, chunk + SHARES < group) +
        select(vec4u(0u), c, chunk + 2u * SHARES < group) + select(vec4u(0u), d, chunk + 3u * SHARES < group);
    }
    for (var k = 0u; k < min(4u, DIGITS); k++) {
      atomicAdd(&table[4u * quad + k], sum[k]);
      atomicAdd(&table[DIGITS + 4u * quad + k], earlier[k]);
    }
  }
  workgroupBarrier();
  const DIGITS_PER_THREAD = (DIGITS + THREADS - 1u) / THREADS;
  var sum = 0u;
  for (var digit = thread * DIGITS_PER_THREAD; digit < min(DIGITS, (thread + 1u) * DIGITS_PER_THREAD); digit++) {
    sum += atomicLoad(&table[digit]);
  }
  let scanned = subgroupScan(thread, sum);
  var place = scanned.before;
  for (var digit = thread * DIGITS_PER_THREAD; digit < min(DIGITS, (thread + 1u) * DIGITS_PER_THREAD); digit++) {
    next[digit] = place + atomicLoad(&table[DIGITS + digit]);
    place += atomicLoad(&table[digit]);
  }
  if (radix.skipZeros == 1u && group == 0u && thread == 0u) {
    nonzeroCount[radix.nonzeroWord] = scanned.total;
  }
  workgroupBarrier();
}

// Turns the counts of the subgroups into places in `staged`; returns the number of pairs.
fn findStaged(thread: u32) -> u32 {
  const WORDS_PER_THREAD = (HALF + THREADS - 1u) / THREADS;
  let first = thread * WORDS_PER_THREAD;
  let end = min(HALF, first + WORDS_PER_THREAD);
  // Two sums of 16 bits each.
  var sum = 0u;
  for (var word = first; word < end; word++) {
    for (var s = 0u; s < SUBGROUPS; s++) { sum += atomicLoad(&table[s * HALF + word]); }
  }
  let scanned = subgroupScan(thread, sum);
  // The upper digits follow all lower ones.
  var places = scanned.before + (scanned.total << 16u);
  for (var word = first; word < end; word++) {
    let begin = places;
    for (var s = 0u; s < SUBGROUPS; s++) {
      places += atomicExchange(&table[s * HALF + word], places);
    }
    let low = next[word];
    let high = next[word + HALF];
    moves[word] = low - (begin & 0xffffu);
    moves[word + HALF] = high - (begin >> 16u);
    next[word] = low + ((places - begin) & 0xffffu);
    next[word + HALF] = high + ((places - begin) >> 16u);
  }
  return (scanned.total & 0xffffu) + (scanned.total >> 16u);
}

@compute @workgroup_size(THREADS)
@diagnostic(off, subgroup_uniformity)
fn main(
  @builtin(workgroup_id) group: vec3u,
  at: SubgroupThread,
) {
  let thread = threadOf(at);
  let lane = at.lane;
  let count = min(counts[radix.countWord], radix.capacity);
  let chunks = activeChunks(count, radix.workers);
  if (group.x >= max(1u, chunks)) {
    return;
  }
  findNext(group.x, thread, chunks);

  let own = subgroupOf(at);
  let below = (1u << lane) - 1u;
  let size = chunkSize(count, radix.workers);
  let end = min(count, (group.x + 1u) * size);
  for (var begin = group.x * size; begin < end; begin += STAGED_PAIRS) {
    for (var word = thread; word < SUBGROUPS * HALF; word += THREADS) { atomicStore(&table[word], 0u); }
    // A subgroup takes consecutive pairs, one a lane.
    let rounds = (min(STAGED_PAIRS, end - begin) + THREADS - 1u) / THREADS;
    let first = begin + own * rounds * LANES + lane;
    var keys = array<u32, ITEMS>();
    var values = array<u32, ITEMS>();
    var ranks = array<u32, ITEMS>();
    for (var k = 0u; k < u32(ITEMS); k++) {
      if (k < rounds) {
        let i = min(first + k * LANES, end - 1u);
        keys[k] = keysIn[i];
        values[k] = i;
        if (radix.identity == 0u) { values[k] = valuesIn[i]; }
      }
    }
    workgroupBarrier();
    for (var k = 0u; k < u32(ITEMS); k++) {
      if (k < rounds) {
        let here = first + k * LANES < end && includes(keys[k], radix);
        let digit = (keys[k] >> radix.shift) & (DIGITS - 1u);
        var same = subgroupBallot(here).x;
        for (var bit = 0u; bit < WIDTH; bit++) {
          let isSet = ((digit >> bit) & 1u) == 1u;
          let ballot = subgroupBallot(isSet).x;
          same &= select(~ballot, ballot, isSet);
        }
        let half = 16u * (digit / HALF);
        var before = 0u;
        if (here && (same & below) == 0u) {
          before = atomicAdd(&table[own * HALF + digit % HALF], countOneBits(same) << half);
        }
        // The lowest lane with this digit has counted for all of them.
        let lowest = countOneBits(~same & (same - 1u)) % LANES;
        before = subgroupShuffle(before, lowest);
        ranks[k] = ((before >> half) & 0xffffu) + countOneBits(same & below);
      }
    }
    workgroupBarrier();
    let stagedCount = findStaged(thread);
    workgroupBarrier();
    for (var k = 0u; k < u32(ITEMS); k++) {
      if (k < rounds && first + k * LANES < end && includes(keys[k], radix)) {
        let digit = (keys[k] >> radix.shift) & (DIGITS - 1u);
        let word = atomicLoad(&table[own * HALF + digit % HALF]);
        staged[((word >> (16u * (digit / HALF))) & 0xffffu) + ranks[k]] = vec2u(keys[k], values[k]);
      }
    }
    workgroupBarrier();
    for (var i = thread; i < stagedCount; i += THREADS) {
      let pair = staged[i];
      let place = moves[(pair.x >> radix.shift) & (DIGITS - 1u)] + i;
      keysOut[place] = pair.x;
      valuesOut[place] = pair.y;
    }
  }
}
