// Prefix sums over one workgroup of THREADS (a multiple of 16) threads, in two levels: rows of 16 summed by one thread
// each, then the row totals. Three barriers whatever the size, and no subgroups.

const SCAN_ROW = 16u;
const SCAN_STRIDE = SCAN_ROW + 1u; // one word of padding a row spreads the rows over the memory banks
const SCAN_ROWS = THREADS / SCAN_ROW;

var<workgroup> scan_values: array<u32, SCAN_ROWS * SCAN_STRIDE>;
var<workgroup> scan_rows: array<u32, SCAN_ROWS>;

struct Scanned {
  before: u32, // sum over the threads before this one
  total: u32, // sum over all threads
}

// To be called by all threads, in uniform control flow.
fn workgroup_scan(thread: u32, value: u32) -> Scanned {
  let row = thread / SCAN_ROW;
  let place = row * SCAN_STRIDE + thread % SCAN_ROW;
  scan_values[place] = value;
  workgroupBarrier();
  if (thread < SCAN_ROWS) {
    var sum = 0u;
    for (var i = 0u; i < SCAN_ROW; i++) {
      let at = thread * SCAN_STRIDE + i;
      let own = scan_values[at];
      scan_values[at] = sum;
      sum += own;
    }
    scan_rows[thread] = sum;
  }
  workgroupBarrier();
  var scanned = Scanned(scan_values[place], 0u);
  for (var i = 0u; i < SCAN_ROWS; i++) {
    if (i == row) {
      scanned.before += scanned.total;
    }
    scanned.total += scan_rows[i];
  }
  workgroupBarrier(); // the next call writes the same memory
  return scanned;
}
