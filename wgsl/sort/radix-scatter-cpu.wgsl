// Last kernel of a radix pass: each thread walks its chunk again and moves its pairs one after the other. Its row of
// histogram [workers, digits] contains the destination of the next pair of each digit.

#include <chunks>
#include <radix-pass>

@group(0) @binding(0) var<uniform> radix: Pass;
@group(0) @binding(1) var<storage, read> counts: array<u32>;
@group(0) @binding(2) var<storage, read_write> histogram: array<u32>;
@group(0) @binding(3) var<storage, read> keysIn: array<u32>;
@group(0) @binding(4) var<storage, read> valuesIn: array<u32>;
@group(0) @binding(5) var<storage, read_write> keysOut: array<u32>;
@group(0) @binding(6) var<storage, read_write> valuesOut: array<u32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let count = min(counts[radix.countWord], radix.capacity);
  if (id.x >= activeChunks(count, radix.workers)) {
    return;
  }
  let size = chunkSize(count, radix.workers);
  let end = min(count, (id.x + 1u) * size);
  for (var i = id.x * size; i < end; i++) {
    let key = keysIn[i];
    if (!includes(key, radix)) {
      continue;
    }
    let cursor = id.x * radix.digits + digitOf(key, radix);
    let place = histogram[cursor];
    histogram[cursor] = place + 1u;
    keysOut[place] = key;
    if (radix.identity == 1u) {
      valuesOut[place] = i;
    } else {
      valuesOut[place] = valuesIn[i];
    }
  }
}
