// The entry point of kernels that sum the gradients per intersection, one Gaussian of the window a thread, in an order that depends only on
// the number of its intersections. It calls `backward(i, sums)` of the including kernel for a visible Gaussian, and `zero(i)` for another.
// Needs <grid>, <window>, the constants SIZE (threads a group) and COOPERATIVE (threads share Gaussians of many intersections; false on a
// CPU, where no thread idles and barriers are slow), and the bindings window, gaussianCount, tileCounts, intersectionFromGaussian and
// intersectionGradients [GRADIENTS per intersection].

const GRADIENTS = 9u;
// One thread sums a Gaussian with up to SMALL intersections, and a set of threads, one a component, a Gaussian with up to MEDIUM. The
// whole group sums a Gaussian with more: one that covers the picture has thousands.
const SMALL = 32u;
const MEDIUM = 256u;
const THREAD_SETS = u32(SIZE) / GRADIENTS;
const SET_THREADS = THREAD_SETS * GRADIENTS;

var<workgroup> mediumCount: atomic<u32>;
var<workgroup> largeCount: atomic<u32>;
// Range of floats of a Gaussian: those of medium Gaussians from the front of the array, those of large ones from the back.
var<workgroup> sharedRanges: array<vec2u, SIZE>;
var<workgroup> mediumSums: array<f32, u32(SIZE) * GRADIENTS>;
var<workgroup> largePartials: array<f32, SIZE>;
var<workgroup> largeSums: array<f32, GRADIENTS>;

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
  if (!COOPERATIVE) {
    for (var k = first; k < last; k += GRADIENTS) { addIntersection(&sums, k); }
    return sums;
  }
  if (lane == 0u) {
    atomicStore(&mediumCount, 0u);
    atomicStore(&largeCount, 0u);
  }
  workgroupBarrier();
  var place = 0u;
  if (intersections > MEDIUM) {
    place = atomicAdd(&largeCount, 1u);
    sharedRanges[u32(SIZE) - 1u - place] = vec2u(first, last);
  } else if (intersections > SMALL) {
    place = atomicAdd(&mediumCount, 1u);
    sharedRanges[place] = vec2u(first, last);
  } else {
    for (var k = first; k < last; k += GRADIENTS) { addIntersection(&sums, k); }
  }

  let mediumTotal = workgroupUniformLoad(&mediumCount);
  if (mediumTotal > 0u) {
    let component = lane % GRADIENTS;
    if (lane < SET_THREADS) {
      for (var k = lane / GRADIENTS; k < mediumTotal; k += THREAD_SETS) {
        let range = sharedRanges[k];
        mediumSums[k * GRADIENTS + component] = stridedSum(range.x + component, range.y, GRADIENTS);
      }
    }
    workgroupBarrier();
    if (intersections > SMALL && intersections <= MEDIUM) {
      let at = place * GRADIENTS;
      sums.rgb = vec3f(mediumSums[at], mediumSums[at + 1u], mediumSums[at + 2u]);
      sums.e = mediumSums[at + 3u];
      sums.e1 = vec2f(mediumSums[at + 4u], mediumSums[at + 5u]);
      sums.e2 = vec3f(mediumSums[at + 6u], mediumSums[at + 7u], mediumSums[at + 8u]);
    }
  }

  let largeTotal = workgroupUniformLoad(&largeCount);
  for (var k = 0u; k < largeTotal; k++) {
    let range = sharedRanges[u32(SIZE) - 1u - k];
    if (lane < SET_THREADS) { largePartials[lane] = stridedSum(range.x + lane, range.y, SET_THREADS); }
    workgroupBarrier();
    if (lane < GRADIENTS) {
      var sum = 0.0;
      for (var part = lane; part < SET_THREADS; part += GRADIENTS) { sum += largePartials[part]; }
      largeSums[lane] = sum;
    }
    workgroupBarrier();
    if (intersections > MEDIUM && place == k) {
      sums.rgb = vec3f(largeSums[0], largeSums[1], largeSums[2]);
      sums.e = largeSums[3];
      sums.e1 = vec2f(largeSums[4], largeSums[5]);
      sums.e2 = vec3f(largeSums[6], largeSums[7], largeSums[8]);
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
