// One scan, see sort/scan.ts. Numbers, not constants: one compile serves all scans and sizes.

struct Shape {
  capacity: u32,
  countWord: u32, // where in `counts` the number of values is
  totalWord: u32, // where in `totals` their sum goes
  workers: u32, // chunks that share the values at most
}
