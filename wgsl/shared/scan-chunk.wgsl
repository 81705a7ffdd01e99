// The second half of a scan, see sort/scan.ts. Needs <chunks>, <scan-shape>, <workgroup-scan>, the constants THREADS and TILE,
// and the bindings shape, partials and values.

const PER_THREAD = TILE / THREADS;

// Sums the partials of earlier workgroups, then walks its chunk tile by tile and replaces each value by its exclusive prefix.
// Returns the total over all values in workgroup 0, also if there are none. All threads call it.
fn scanChunk(group: u32, thread: u32) -> u32 {
  let count = partials[0];
  let activeGroups = activeChunks(count, shape.workers);
  if (group > 0u && group >= activeGroups) {
    return 0u;
  }

  let partialCount = select(group, activeGroups, group == 0u);
  var partial = 0u;
  for (var i = thread; i < partialCount; i += THREADS) {
    partial = saturatingAdd(partial, partials[1u + i]);
  }
  let total = workgroupScan(thread, partial, min(THREADS, partialCount)).total;
  var before = select(total, 0u, group == 0u);

  let size = chunkSize(count, shape.workers);
  let end = min(count, (group + 1u) * size);
  for (var tile = group * size; tile < end; tile += TILE) {
    let first = tile + thread * PER_THREAD;
    let stop = min(first + PER_THREAD, end);
    var sum = 0u;
    for (var i = first; i < stop; i++) {
      sum += values[i];
    }
    let scanned = workgroupScan(thread, sum, min(THREADS, (end - tile + PER_THREAD - 1u) / PER_THREAD));
    var prefix = before + scanned.before;
    for (var i = first; i < stop; i++) {
      let value = values[i];
      values[i] = prefix;
      prefix += value;
    }
    before += scanned.total;
  }
  return total;
}
