// Perspective projection of one Gaussian (Zwicker et al., EWA splatting), by gsplat's classic rules. Needs <view>.

const NEAR = 0.01;
const FAR = 1e10;
// Low-pass filter in pixels², on both diagonal entries (3DGS).
const BLUR = 0.3;
const ALPHA_MIN = 1.0 / 255.0;
const ALPHA_MAX = 0.99;

struct Projection {
  // Camera coordinates of the mean.
  t: vec3f,
  // Normalised quaternion wxyz, and its original length.
  q: vec4f,
  qLength: f32,
  scale: vec3f,
  rotation: mat3x3f,
  // J·W with the clamped J; its rows.
  jw0: vec3f,
  jw1: vec3f,
  // x/z and y/z as J uses them, and whether the clamp bound.
  ratio: vec2f,
  clamped: vec2<bool>,
  // Rows of J·W·R·S: the 2D covariance is u·uᵀ.
  u0: vec3f,
  u1: vec3f,
  // Entries xx, xy, yy of the 2D covariance with blur, and its determinant.
  cov: vec3f,
  det: f32,
  // Pixels.
  mean: vec2f,
}

fn rotationFromQuat(q: vec4f) -> mat3x3f {
  let w = q.x; let x = q.y; let y = q.z; let z = q.w;
  // WGSL matrices are column-major.
  return mat3x3f(
    vec3f(1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y + w * z), 2.0 * (x * z - w * y)),
    vec3f(2.0 * (x * y - w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z + w * x)),
    vec3f(2.0 * (x * z + w * y), 2.0 * (y * z - w * x), 1.0 - 2.0 * (x * x + y * y)),
  );
}

fn toCamera(view: View, mean: vec3f) -> vec3f {
  let m = vec4f(mean, 1.0);
  return vec3f(dot(view.row0, m), dot(view.row1, m), dot(view.row2, m));
}

// The determinants of the 2D covariance, without blur and with it. The first is |u0 × u1|², which rounding never makes negative.
fn filterDeterminants(p: Projection) -> vec2f {
  let normal = cross(p.u0, p.u1);
  let sharp = dot(normal, normal);
  return vec2f(sharp, sharp + BLUR * (dot(p.u0, p.u0) + dot(p.u1, p.u1)) + BLUR * BLUR);
}

// The factor of the opacity that makes up for the blur (Mip-Splatting's 2D filter; gsplat's "antialiased" mode).
fn compensation(p: Projection) -> f32 {
  let determinants = filterDeterminants(p);
  return sqrt(determinants.x / determinants.y);
}

// `t` must be in front of the near plane.
fn project(view: View, t: vec3f, quat: vec4f, logScale: vec3f) -> Projection {
  var p: Projection;
  p.t = t;
  p.qLength = length(quat);
  p.q = quat / p.qLength;
  p.scale = exp(logScale);
  p.rotation = rotationFromQuat(p.q);

  // gsplat clamps x/z and y/z in J to the image plus 15 % of it on either side, around the principal point.
  let size = vec2f(view.size);
  let margin = 0.15 * size / view.focal;
  let low = -(view.principal / view.focal + margin);
  let high = (size - view.principal) / view.focal + margin;
  let ratio = t.xy / t.z;
  p.ratio = clamp(ratio, low, high);
  p.clamped = (ratio < low) | (ratio > high);

  let j = view.focal / t.z;
  p.jw0 = j.x * (view.row0.xyz - p.ratio.x * view.row2.xyz);
  p.jw1 = j.y * (view.row1.xyz - p.ratio.y * view.row2.xyz);
  p.u0 = (p.jw0 * p.rotation) * p.scale;
  p.u1 = (p.jw1 * p.rotation) * p.scale;
  p.cov = vec3f(dot(p.u0, p.u0) + BLUR, dot(p.u0, p.u1), dot(p.u1, p.u1) + BLUR);
  p.det = p.cov.x * p.cov.z - p.cov.y * p.cov.y;
  p.mean = view.focal * ratio + view.principal;
  return p;
}
