// The entry point of kernels that sum the gradients per intersection, one Gaussian of the window a thread, in an order that depends only on
// the number of its intersections. It calls `backward(i, sums)` of the including kernel for a visible Gaussian, and `zero(i)` for another.
// Needs <grid>, <window>, the constants SIZE (threads a group) and TEAMWORK (threads share Gaussians of many intersections; false on a
// CPU, where no thread idles and barriers are slow), and the bindings window, gaussianCount, tileCounts, intersectionFromGaussian and
// intersectionGradients [GRADIENTS per intersection].

const GRADIENTS = 9u;
// A team of threads, one a gradient, sums a Gaussian with more intersections than this.
const ALONE = 32u;
const TEAMS = u32(SIZE) / GRADIENTS;
// The whole group sums a Gaussian with more than this: a Gaussian that covers the picture has thousands.
const CROWD = 256u;
const CROWD_THREADS = TEAMS * GRADIENTS;

var<workgroup> teamCount: atomic<u32>;
var<workgroup> crowdCount: atomic<u32>;
// Range of floats of a Gaussian: those for teams from the front of the array, those for the whole group from the back.
var<workgroup> sharedRanges: array<vec2u, SIZE>;
var<workgroup> teamSums: array<f32, u32(SIZE) * GRADIENTS>;
var<workgroup> crowdParts: array<f32, SIZE>;
var<workgroup> crowdSums: array<f32, GRADIENTS>;

struct IntersectionSums {
  rgb: vec3f,
  e: f32,
  e1: vec2f,
  e2: vec3f,
}

fn addIntersection(sums: ptr<function, IntersectionSums>, at: u32) {
  (*sums).rgb += vec3f(intersectionGradients[at], intersectionGradients[at + 1u], intersectionGradients[at + 2u]);
  (*sums).e += intersectionGradients[at + 3u];
  (*sums).e1 += vec2f(intersectionGradients[at + 4u], intersectionGradients[at + 5u]);
  (*sums).e2 += vec3f(intersectionGradients[at + 6u], intersectionGradients[at + 7u], intersectionGradients[at + 8u]);
}

// Sum of every `step`-th float from `first` to before `last`; eight loads overlap.
fn stridedSum(first: u32, last: u32, step: u32) -> f32 {
  var total = 0.0;
  var k = first;
  for (; k + 7u * step < last; k += 8u * step) {
    total += ((intersectionGradients[k] + intersectionGradients[k + step]) + (intersectionGradients[k + 2u * step] + intersectionGradients[k + 3u * step])) +
      ((intersectionGradients[k + 4u * step] + intersectionGradients[k + 5u * step]) + (intersectionGradients[k + 6u * step] + intersectionGradients[k + 7u * step]));
  }
  for (; k < last; k += step) { total += intersectionGradients[k]; }
  return total;
}

// All threads call it, in uniform control flow. No intersections give zeros.
fn sumIntersections(lane: u32, firstIntersection: u32, intersections: u32) -> IntersectionSums {
  let first = firstIntersection * GRADIENTS;
  let last = first + intersections * GRADIENTS;
  var sums = IntersectionSums(vec3f(0.0), 0.0, vec2f(0.0), vec3f(0.0));
  if (!TEAMWORK) {
    for (var k = first; k < last; k += GRADIENTS) { addIntersection(&sums, k); }
    return sums;
  }
  if (lane == 0u) {
    atomicStore(&teamCount, 0u);
    atomicStore(&crowdCount, 0u);
  }
  workgroupBarrier();
  var place = 0u;
  if (intersections > CROWD) {
    place = atomicAdd(&crowdCount, 1u);
    sharedRanges[u32(SIZE) - 1u - place] = vec2u(first, last);
  } else if (intersections > ALONE) {
    place = atomicAdd(&teamCount, 1u);
    sharedRanges[place] = vec2u(first, last);
  } else {
    for (var k = first; k < last; k += GRADIENTS) { addIntersection(&sums, k); }
  }

  let forTeams = workgroupUniformLoad(&teamCount);
  if (forTeams > 0u) {
    let moment = lane % GRADIENTS;
    if (lane < CROWD_THREADS) {
      for (var k = lane / GRADIENTS; k < forTeams; k += TEAMS) {
        let range = sharedRanges[k];
        teamSums[k * GRADIENTS + moment] = stridedSum(range.x + moment, range.y, GRADIENTS);
      }
    }
    workgroupBarrier();
    if (intersections > ALONE && intersections <= CROWD) {
      let at = place * GRADIENTS;
      sums.rgb = vec3f(teamSums[at], teamSums[at + 1u], teamSums[at + 2u]);
      sums.e = teamSums[at + 3u];
      sums.e1 = vec2f(teamSums[at + 4u], teamSums[at + 5u]);
      sums.e2 = vec3f(teamSums[at + 6u], teamSums[at + 7u], teamSums[at + 8u]);
    }
  }

  let forAll = workgroupUniformLoad(&crowdCount);
  for (var k = 0u; k < forAll; k++) {
    let range = sharedRanges[u32(SIZE) - 1u - k];
    if (lane < CROWD_THREADS) { crowdParts[lane] = stridedSum(range.x + lane, range.y, CROWD_THREADS); }
    workgroupBarrier();
    if (lane < GRADIENTS) {
      var sum = 0.0;
      for (var part = lane; part < CROWD_THREADS; part += GRADIENTS) { sum += crowdParts[part]; }
      crowdSums[lane] = sum;
    }
    workgroupBarrier();
    if (intersections > CROWD && place == k) {
      sums.rgb = vec3f(crowdSums[0], crowdSums[1], crowdSums[2]);
      sums.e = crowdSums[3];
      sums.e1 = vec2f(crowdSums[4], crowdSums[5]);
      sums.e2 = vec3f(crowdSums[6], crowdSums[7], crowdSums[8]);
    }
  }
  return sums;
}

@compute @workgroup_size(SIZE)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let count = min(gaussianCount[0], window.end);
  for (var base = window.first + linearGroup(group, groups) * SIZE; base < count; base += groups.x * groups.y * SIZE) {
    let i = base + lane;
    var intersections = 0u;
    var first = 0u;
    if (i < count) {
      intersections = tileCounts[i];
      first = select(0u, intersectionFromGaussian[i], intersections > 0u);
    }
    let sums = sumIntersections(lane, first, intersections);
    if (i < count) {
      if (intersections == 0u) { zero(i); } else { backward(i, sums); }
    }
  }
}
