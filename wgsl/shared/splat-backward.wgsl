// From a Gaussian's summed moments back to its raw parameters, but for the colour's. Needs <view>, <projection>, <pairSums>.

struct GeometryGradient {
  // Without the viewing direction's part.
  mean: vec3f,
  logScale: vec3f,
  quat: vec4f,
}

// dL/d(mean in pixels): sigma = ½ dᵀ Q d with d = mean − pixel.
fn toMean2(conic: vec3f, e1: vec2f) -> vec2f {
  return vec2f(conic.x * e1.x + conic.y * e1.y, conic.y * e1.x + conic.z * e1.y);
}

// What densification looks at: ‖dL/d(mean in pixels) · size / 2‖ and radius / longest side.
fn screenTrace(toMean2: vec2f, radius: f32, size: vec2f) -> vec2f {
  return vec2f(length(toMean2 * size * 0.5), radius / max(size.x, size.y));
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

fn geometryBackward(
  view: View, conic: vec3f, toMean2: vec2f, e2: vec3f, mean: vec3f, quat: vec4f, logScale: vec3f,
) -> GeometryGradient {
  // dL/dQ as a full symmetric matrix, then dL/dcov = −Q (dL/dQ) Q.
  let toConic = 0.5 * e2;
  let qa = vec2f(conic.x, conic.y);
  let qb = vec2f(conic.y, conic.z);
  let h0 = vec2f(dot(qa, toConic.xy), dot(qa, toConic.yz));
  let h1 = vec2f(dot(qb, toConic.xy), dot(qb, toConic.yz));
  let toCov = -vec3f(dot(h0, qa), dot(h0, qb), dot(h1, qb));

  let t = toCamera(view, mean);
  let p = project(view, t, quat, logScale);

  // cov = u·uᵀ with u = JW·R·S, rows u0, u1.
  let toU0 = 2.0 * (toCov.x * p.u0 + toCov.y * p.u1);
  let toU1 = 2.0 * (toCov.y * p.u0 + toCov.z * p.u1);
  // u = jw·M, M = R·S: to M by columns, and to jw.
  let toColumn0 = p.jw0 * toU0.x + p.jw1 * toU1.x;
  let toColumn1 = p.jw0 * toU0.y + p.jw1 * toU1.y;
  let toColumn2 = p.jw0 * toU0.z + p.jw1 * toU1.z;
  let toRotation = mat3x3f(toColumn0 * p.scale.x, toColumn1 * p.scale.y, toColumn2 * p.scale.z);
  let toScale = p.scale * vec3f(
    dot(toColumn0, p.rotation[0]),
    dot(toColumn1, p.rotation[1]),
    dot(toColumn2, p.rotation[2]),
  );
  let toQ = quatBackward(p.q, toRotation);

  let toJw0 = p.rotation * (p.scale * toU0);
  let toJw1 = p.rotation * (p.scale * toU1);
  // jw0 = (fx/z)·(row0 − rx·row2): gradients to j = fx/z and to the ratio rx.
  let j = view.focal / t.z;
  let toJ = vec2f(
    dot(toJw0, view.row0.xyz - p.ratio.x * view.row2.xyz),
    dot(toJw1, view.row1.xyz - p.ratio.y * view.row2.xyz),
  );
  let toRatio = -j * vec2f(dot(toJw0, view.row2.xyz), dot(toJw1, view.row2.xyz));
  // The mean's own projection uses the unclamped ratio; J's ratio moves with the point only where it is not clamped.
  let toFreeRatio = view.focal * toMean2 + select(toRatio, vec2f(0.0), p.clamped);
  let ratio = t.xy / t.z;
  let toT = vec3f(
    toFreeRatio / t.z,
    -(dot(toFreeRatio, ratio) + dot(toJ, j)) / t.z,
  );
  return GeometryGradient(
    view.row0.xyz * toT.x + view.row1.xyz * toT.y + view.row2.xyz * toT.z,
    toScale,
    (toQ - p.q * dot(toQ, p.q)) / p.qLength,
  );
}
