// From a Gaussian's summed gradients to those of its raw parameters, except SH. Needs <view>, <dropout>, <projection> and the constant
// ANTIALIAS.

struct GeometryGradient {
  // Without the contribution of the viewing direction.
  mean: vec3f,
  logScale: vec3f,
  quat: vec4f,
  opacityLogit: f32,
}

// dL/d(mean in pixels): sigma = ½ dᵀ Q d with d = mean − pixel.
fn mean2dGradient(conic: vec3f, e1: vec2f) -> vec2f {
  return vec2f(conic.x * e1.x + conic.y * e1.y, conic.y * e1.x + conic.z * e1.y);
}

// The inputs of densification: ‖dL/d(mean in pixels) · size / 2‖ and radius / longest side.
fn screenStatistics(gradMean2d: vec2f, radius: f32, size: vec2f) -> vec2f {
  return vec2f(length(gradMean2d * size * 0.5), radius / max(size.x, size.y));
}

// A clamped colour (max with 0) has no gradient.
fn colorGradient(color: vec3f, gradient: vec3f) -> vec3f {
  return select(vec3f(0.0), gradient, color > vec3f(0.0));
}

// alpha = o·exp(−sigma): with e = dL/dsigma summed, dL/do = −e / o; through the logistic o(1 − o). Dropout scales o by a constant, and
// antialiasing by the compensation.
fn opacityLogitGradient(view: View, p: Projection, opacity: f32, e: f32) -> f32 {
  if (ANTIALIAS) { return -e * (1.0 - ownOpacity(view) * opacity / compensation(p)); }
  return -e * (1.0 - ownOpacity(view) * opacity);
}

fn quatBackward(q: vec4f, g: mat3x3f) -> vec4f {
  // g holds dL/dR by columns: g[column][row].
  let w = q.x; let x = q.y; let y = q.z; let z = q.w;
  let s01 = g[1][0] + g[0][1];
  let s02 = g[2][0] + g[0][2];
  let s12 = g[2][1] + g[1][2];
  let d21 = g[1][2] - g[2][1];
  let d02 = g[2][0] - g[0][2];
  let d10 = g[0][1] - g[1][0];
  return 2.0 * vec4f(
    x * d21 + y * d02 + z * d10,
    -2.0 * x * (g[1][1] + g[2][2]) + y * s01 + z * s02 + w * d21,
    x * s01 - 2.0 * y * (g[0][0] + g[2][2]) + z * s12 + w * d02,
    x * s02 + y * s12 - 2.0 * z * (g[0][0] + g[1][1]) + w * d10,
  );
}

// `opacity` is the projected one, and e, e2 are sums per intersection.
fn geometryBackward(
  view: View, conic: vec3f, opacity: f32, gradMean2d: vec2f, e: f32, e2: vec3f, mean: vec3f, quat: vec4f, logScale: vec3f,
) -> GeometryGradient {
  // dL/dQ as a full symmetric matrix, then dL/dcov = −Q (dL/dQ) Q.
  let gradConic = 0.5 * e2;
  let qa = vec2f(conic.x, conic.y);
  let qb = vec2f(conic.y, conic.z);
  let h0 = vec2f(dot(qa, gradConic.xy), dot(qa, gradConic.yz));
  let h1 = vec2f(dot(qb, gradConic.xy), dot(qb, gradConic.yz));
  let gradCov = -vec3f(dot(h0, qa), dot(h0, qb), dot(h1, qb));

  let t = toCamera(view, mean);
  let p = project(view, t, quat, logScale);

  // cov = u·uᵀ with u = JW·R·S, rows u0, u1.
  var gradU0 = 2.0 * (gradCov.x * p.u0 + gradCov.y * p.u1);
  var gradU1 = 2.0 * (gradCov.y * p.u0 + gradCov.z * p.u1);
  if (ANTIALIAS) {
    // dL/d ln(compensation) = −e, and ln(compensation) = ½·(ln det without blur − ln det with it). A visible Gaussian's compensation is at
    // least 1/255, so both determinants are positive.
    let determinants = filterDeterminants(p);
    let normal = cross(p.u0, p.u1);
    let both = 1.0 / determinants.x - 1.0 / determinants.y;
    gradU0 -= e * (both * cross(p.u1, normal) - BLUR / determinants.y * p.u0);
    gradU1 -= e * (both * cross(normal, p.u0) - BLUR / determinants.y * p.u1);
  }
  // u = jw·M, M = R·S: to M by columns, and to jw.
  let gradColumn0 = p.jw0 * gradU0.x + p.jw1 * gradU1.x;
  let gradColumn1 = p.jw0 * gradU0.y + p.jw1 * gradU1.y;
  let gradColumn2 = p.jw0 * gradU0.z + p.jw1 * gradU1.z;
  let gradRotation = mat3x3f(gradColumn0 * p.scale.x, gradColumn1 * p.scale.y, gradColumn2 * p.scale.z);
  let gradScale = p.scale * vec3f(
    dot(gradColumn0, p.rotation[0]),
    dot(gradColumn1, p.rotation[1]),
    dot(gradColumn2, p.rotation[2]),
  );
  let gradQuat = quatBackward(p.q, gradRotation);

  let gradJw0 = p.rotation * (p.scale * gradU0);
  let gradJw1 = p.rotation * (p.scale * gradU1);
  // jw0 = (fx/z)·(row0 − rx·row2): gradients to j = fx/z and to the ratio rx.
  let j = view.focal / t.z;
  let gradJ = vec2f(
    dot(gradJw0, view.row0.xyz - p.ratio.x * view.row2.xyz),
    dot(gradJw1, view.row1.xyz - p.ratio.y * view.row2.xyz),
  );
  let gradRatio = -j * vec2f(dot(gradJw0, view.row2.xyz), dot(gradJw1, view.row2.xyz));
  // The mean's own projection uses the unclamped ratio; J's ratio moves with the point only where it is not clamped.
  let gradFreeRatio = view.focal * gradMean2d + select(gradRatio, vec2f(0.0), p.clamped);
  let ratio = t.xy / t.z;
  let gradT = vec3f(
    gradFreeRatio / t.z,
    -(dot(gradFreeRatio, ratio) + dot(gradJ, j)) / t.z,
  );
  return GeometryGradient(
    view.row0.xyz * gradT.x + view.row1.xyz * gradT.y + view.row2.xyz * gradT.z,
    gradScale,
    (gradQuat - p.q * dot(gradQuat, p.q)) / p.qLength,
    opacityLogitGradient(view, p, opacity, e),
  );
}
