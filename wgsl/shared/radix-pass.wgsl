// One pass of a radix sort, see sort/radix-pass.ts. Uniform values, not constants: all sorts and sizes share one compile.

const MAX_DIGITS = 256u;

struct Pass {
  capacity: u32,
  countWord: u32, // word of `counts` with the number of pairs
  workers: u32, // maximum number of chunks
  shift: u32, // lowest bit of the digit
  digits: u32, // 2^width, at most MAX_DIGITS
  identity: u32, // 1: a pair's value is its number
  skipZeros: u32, // 1: pairs whose key is 0 are omitted
  nonzeroWord: u32, // word of `nonzeroCount` for the number of the others
}

fn digitOf(key: u32, radix: Pass) -> u32 {
  return (key >> radix.shift) & (radix.digits - 1u);
}

fn includes(key: u32, radix: Pass) -> bool {
  return radix.skipZeros == 0u || key != 0u;
}
