// One pass of a radix sort, see sort/radix-pass.ts. Numbers, not constants: one compile serves all sorts and sizes.

const MAX_DIGITS = 256u;

struct Pass {
  capacity: u32,
  countWord: u32, // where in `counts` the number of pairs is
  workers: u32, // chunks that share the pairs at most
  shift: u32, // lowest bit of the digit
  digits: u32, // 2^width, at most MAX_DIGITS
  identity: u32, // 1: a pair's value is its number
  sparse: u32, // 1: pairs whose key is 0 are left out
  keptWord: u32, // where in `kept` the number of the others goes, if sparse
}

fn digitOf(key: u32, radix: Pass) -> u32 {
  return (key >> radix.shift) & (radix.digits - 1u);
}

fn keeps(key: u32, radix: Pass) -> bool {
  return radix.sparse == 0u || key != 0u;
}
