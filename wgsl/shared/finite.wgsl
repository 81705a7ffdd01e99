// WGSL may assume that no value is infinite or NaN, so comparisons cannot detect one. These functions test the bits.

fn isFinite(value: f32) -> bool {
  return (bitcast<u32>(value) & 0x7f800000u) != 0x7f800000u;
}

// 1/√x. An x that overflowed stays what it is: the reciprocal of infinity, 0, would hide it.
fn reciprocalRoot(x: f32) -> f32 {
  return select(x, 1.0 / sqrt(x), isFinite(x));
}

fn allFinite(values: vec4f) -> bool {
  return all((bitcast<vec4u>(values) & vec4u(0x7f800000u)) != vec4u(0x7f800000u));
}
