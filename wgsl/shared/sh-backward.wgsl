// From a colour's gradient to the mean, through the viewing direction. Needs <sh> and <sh-rows>.

// `offset` is the mean from the camera's centre.
fn directionBackward(i: u32, offset: vec3f, gradColor: vec3f, degree: u32) -> vec3f {
  let distance = length(offset);
  let direction = offset / distance;
  let slope = shBasisGradient(direction, degree);
  var gradDirection = vec3f(0.0);
  for (var step = 0u; step < u32(SH_ROWS / SH_STEP); step++) {
    let rows = shRows(i, step);
    for (var k = 0u; k < u32(SH_STEP); k++) {
      gradDirection += slope[u32(SH_STEP) * step + k] * dot(rows[k], gradColor);
    }
  }
  return (gradDirection - direction * dot(gradDirection, direction)) / distance;
}
