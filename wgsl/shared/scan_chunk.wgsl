// The second half of a scan, see sort/scan.ts. Needs <chunks>, <scan_shape>, <workgroup_scan>, the constants THREADS and TILE,
// and the bindings shape, partials and values.

const PER_THREAD = TILE / THREADS;

// Sums the partials before this group's, then walks its chunk tile by tile and leaves each value's exclusive prefix in its
// place. Gives the total over all values to group 0, also where there are none. To be called by all threads.
fn scan_chunk(group: u32, thread: u32) -> u32 {
  let count = partials[0];
  let active_groups = active_chunks(count, shape.workers);
  if (group > 0u && group >= active_groups) {
    return 0u;
  }

  let upto = select(group, active_groups, group == 0u);
  var partial = 0u;
  for (var i = thread; i < upto; i += THREADS) {
    partial = saturating_add(partial, partials[1u + i]);
  }
  let total = workgroup_scan(thread, partial, min(THREADS, upto)).total;
  var before = select(total, 0u, group == 0u);

  let size = chunk_size(count, shape.workers);
  let end = min(count, (group + 1u) * size);
  for (var tile = group * size; tile < end; tile += TILE) {
    let first = tile + thread * PER_THREAD;
    let stop = min(first + PER_THREAD, end);
    var sum = 0u;
    for (var i = first; i < stop; i++) {
      sum += values[i];
    }
    let scanned = workgroup_scan(thread, sum, min(THREADS, (end - tile + PER_THREAD - 1u) / PER_THREAD));
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
