// WGSL may assume that no value is infinite or NaN, so comparisons cannot detect one. These functions test the bits.

fn allFinite(values: vec4f) -> bool {
  return all((bitcast<vec4u>(values) & vec4u(0x7f800000u)) != vec4u(0x7f800000u));
}
