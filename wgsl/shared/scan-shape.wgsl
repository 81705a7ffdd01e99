// One scan, see sort/scan.ts. Uniform values, not constants: all scans and sizes share one compile.

struct Shape {
  capacity: u32,
  countWord: u32, // word of `counts` with the number of values
  totalWord: u32, // word of `totals` for their sum
  workers: u32, // maximum number of chunks
}
