// An affine change of colour, c' = M·c + o, applied to SH: exactly, because a colour is linear in its SH before the clamp at 0. All bands
// take M, band 0 the offset too. sh' = sh + w·(changed − sh), with the weight w of the Gaussian; where w is 0, the result has the bits of
// `sh`. One thread a coefficient of three channels.

#include <grid>

struct Recolor {
  // Rows of M; in w, the offset of a channel in band 0.
  red: vec4f,
  green: vec4f,
  blue: vec4f,
  coefficients: u32,
  // Coefficients of a Gaussian, (degree + 1)².
  width: u32,
  // Of the Gaussian whose first coefficient is coefficient 0.
  firstRow: u32,
}

@group(0) @binding(0) var<uniform> recolor: Recolor;
@group(0) @binding(1) var<storage, read> sh: array<f32>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read_write> result: array<f32>;

@compute @workgroup_size(GROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let coefficient = linearGroup(group, groups) * GROUP + thread;
  if (coefficient >= recolor.coefficients) {
    return;
  }
  let row = coefficient / recolor.width;
  let first = 3u * coefficient;
  let before = vec3f(sh[first], sh[first + 1u], sh[first + 2u]);
  let weight = weights[recolor.firstRow + row];
  var after = before;
  if (weight > 0.0) {
    let one = select(0.0, 1.0, coefficient == row * recolor.width);
    let homogeneous = vec4f(before, one);
    let changed = vec3f(
      dot(recolor.red, homogeneous),
      dot(recolor.green, homogeneous),
      dot(recolor.blue, homogeneous),
    );
    after = before + weight * (changed - before);
  }
  result[first] = after.x;
  result[first + 1u] = after.y;
  result[first + 2u] = after.z;
}
