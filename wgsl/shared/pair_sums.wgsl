// Sums the pairs' moments of a workgroup's Gaussians, one Gaussian a thread, in an order that depends on nothing but the
// number of its pairs. Needs the constants SIZE (threads a group) and TEAMWORK (threads help each other with many pairs: a CPU
// behind a software driver has no threads that wait, and pays for the barriers), and the binding `moments: array<f32>`,
// MOMENTS a pair.

const MOMENTS = 9u;
// A Gaussian of more pairs than this has a team of threads, one a moment: nobody waits for it for long.
const ALONE = 32u;
const TEAMS = u32(SIZE) / MOMENTS;
// One of more than this has the whole group: one that covers the picture has thousands.
const CROWD = 256u;
const CROWD_THREADS = TEAMS * MOMENTS;

var<workgroup> team_count: atomic<u32>;
var<workgroup> crowd_count: atomic<u32>;
// First float and the one behind the last, of the moments of those for teams from the front, of those for all from the back.
var<workgroup> shared_ranges: array<vec2u, SIZE>;
var<workgroup> team_sums: array<f32, u32(SIZE) * MOMENTS>;
var<workgroup> crowd_parts: array<f32, SIZE>;
var<workgroup> crowd_sums: array<f32, MOMENTS>;

struct PairSums {
  rgb: vec3f,
  e: f32,
  e1: vec2f,
  e2: vec3f,
}

fn add_pair(sums: ptr<function, PairSums>, at: u32) {
  (*sums).rgb += vec3f(moments[at], moments[at + 1u], moments[at + 2u]);
  (*sums).e += moments[at + 3u];
  (*sums).e1 += vec2f(moments[at + 4u], moments[at + 5u]);
  (*sums).e2 += vec3f(moments[at + 6u], moments[at + 7u], moments[at + 8u]);
}

// Every `step`-th of the floats from `first` to before `last`; eight loads at a time are under way.
fn strided_sum(first: u32, last: u32, step: u32) -> f32 {
  var total = 0.0;
  var k = first;
  for (; k + 7u * step < last; k += 8u * step) {
    total += ((moments[k] + moments[k + step]) + (moments[k + 2u * step] + moments[k + 3u * step])) +
      ((moments[k + 4u * step] + moments[k + 5u * step]) + (moments[k + 6u * step] + moments[k + 7u * step]));
  }
  for (; k < last; k += step) { total += moments[k]; }
  return total;
}

// To be called by all threads, in uniform control flow; no pairs give zeros.
fn sum_pairs(lane: u32, first_pair: u32, pairs: u32) -> PairSums {
  let first = first_pair * MOMENTS;
  let last = first + pairs * MOMENTS;
  var sums = PairSums(vec3f(0.0), 0.0, vec2f(0.0), vec3f(0.0));
  if (!TEAMWORK) {
    for (var k = first; k < last; k += MOMENTS) { add_pair(&sums, k); }
    return sums;
  }
  if (lane == 0u) {
    atomicStore(&team_count, 0u);
    atomicStore(&crowd_count, 0u);
  }
  workgroupBarrier();
  var place = 0u;
  if (pairs > CROWD) {
    place = atomicAdd(&crowd_count, 1u);
    shared_ranges[u32(SIZE) - 1u - place] = vec2u(first, last);
  } else if (pairs > ALONE) {
    place = atomicAdd(&team_count, 1u);
    shared_ranges[place] = vec2u(first, last);
  } else {
    for (var k = first; k < last; k += MOMENTS) { add_pair(&sums, k); }
  }

  let for_teams = workgroupUniformLoad(&team_count);
  if (for_teams > 0u) {
    let moment = lane % MOMENTS;
    if (lane < CROWD_THREADS) {
      for (var k = lane / MOMENTS; k < for_teams; k += TEAMS) {
        let range = shared_ranges[k];
        team_sums[k * MOMENTS + moment] = strided_sum(range.x + moment, range.y, MOMENTS);
      }
    }
    workgroupBarrier();
    if (pairs > ALONE && pairs <= CROWD) {
      let at = place * MOMENTS;
      sums.rgb = vec3f(team_sums[at], team_sums[at + 1u], team_sums[at + 2u]);
      sums.e = team_sums[at + 3u];
      sums.e1 = vec2f(team_sums[at + 4u], team_sums[at + 5u]);
      sums.e2 = vec3f(team_sums[at + 6u], team_sums[at + 7u], team_sums[at + 8u]);
    }
  }

  let for_all = workgroupUniformLoad(&crowd_count);
  for (var k = 0u; k < for_all; k++) {
    let range = shared_ranges[u32(SIZE) - 1u - k];
    if (lane < CROWD_THREADS) { crowd_parts[lane] = strided_sum(range.x + lane, range.y, CROWD_THREADS); }
    workgroupBarrier();
    if (lane < MOMENTS) {
      var sum = 0.0;
      for (var part = lane; part < CROWD_THREADS; part += MOMENTS) { sum += crowd_parts[part]; }
      crowd_sums[lane] = sum;
    }
    workgroupBarrier();
    if (pairs > CROWD && place == k) {
      sums.rgb = vec3f(crowd_sums[0], crowd_sums[1], crowd_sums[2]);
      sums.e = crowd_sums[3];
      sums.e1 = vec2f(crowd_sums[4], crowd_sums[5]);
      sums.e2 = vec3f(crowd_sums[6], crowd_sums[7], crowd_sums[8]);
    }
  }
  return sums;
}
