// Real spherical harmonics in 3DGS's order and signs (band 1: −y, +z, −x). Needs the constant SH_DEGREE (rows stored).

const SH_ROWS = (SH_DEGREE + 1) * (SH_DEGREE + 1);
const SH_C0 = 0.28209479177387814;
const SH_C1 = 0.4886025119029199;

// Basis values at a unit direction; zero above `degree`.
fn shBasis(d: vec3f, degree: u32) -> array<f32, SH_ROWS> {
  var b = array<f32, SH_ROWS>();
  b[0] = SH_C0;
  if (SH_DEGREE >= 1 && degree >= 1u) {
    b[min(1, SH_ROWS - 1)] = -SH_C1 * d.y;
    b[min(2, SH_ROWS - 1)] = SH_C1 * d.z;
    b[min(3, SH_ROWS - 1)] = -SH_C1 * d.x;
  }
  if (SH_DEGREE >= 2 && degree >= 2u) {
    b[min(4, SH_ROWS - 1)] = 1.0925484305920792 * d.x * d.y;
    b[min(5, SH_ROWS - 1)] = -1.0925484305920792 * d.y * d.z;
    b[min(6, SH_ROWS - 1)] = 0.31539156525252005 * (2.0 * d.z * d.z - d.x * d.x - d.y * d.y);
    b[min(7, SH_ROWS - 1)] = -1.0925484305920792 * d.x * d.z;
    b[min(8, SH_ROWS - 1)] = 0.5462742152960396 * (d.x * d.x - d.y * d.y);
  }
  if (SH_DEGREE >= 3 && degree >= 3u) {
    let xx = d.x * d.x; let yy = d.y * d.y; let zz = d.z * d.z;
    b[min(9, SH_ROWS - 1)] = -0.5900435899266435 * d.y * (3.0 * xx - yy);
    b[min(10, SH_ROWS - 1)] = 2.890611442640554 * d.x * d.y * d.z;
    b[min(11, SH_ROWS - 1)] = -0.4570457994644658 * d.y * (4.0 * zz - xx - yy);
    b[min(12, SH_ROWS - 1)] = 0.3731763325901154 * d.z * (2.0 * zz - 3.0 * xx - 3.0 * yy);
    b[min(13, SH_ROWS - 1)] = -0.4570457994644658 * d.x * (4.0 * zz - xx - yy);
    b[min(14, SH_ROWS - 1)] = 1.445305721320277 * d.z * (xx - yy);
    b[min(15, SH_ROWS - 1)] = -0.5900435899266435 * d.x * (xx - 3.0 * yy);
  }
  return b;
}

// Gradient of each basis polynomial with respect to the (unit) direction's components.
fn shBasisGradient(d: vec3f, degree: u32) -> array<vec3f, SH_ROWS> {
  var g = array<vec3f, SH_ROWS>();
  if (SH_DEGREE >= 1 && degree >= 1u) {
    g[min(1, SH_ROWS - 1)] = vec3f(0.0, -SH_C1, 0.0);
    g[min(2, SH_ROWS - 1)] = vec3f(0.0, 0.0, SH_C1);
    g[min(3, SH_ROWS - 1)] = vec3f(-SH_C1, 0.0, 0.0);
  }
  if (SH_DEGREE >= 2 && degree >= 2u) {
    g[min(4, SH_ROWS - 1)] = 1.0925484305920792 * vec3f(d.y, d.x, 0.0);
    g[min(5, SH_ROWS - 1)] = -1.0925484305920792 * vec3f(0.0, d.z, d.y);
    g[min(6, SH_ROWS - 1)] = 0.31539156525252005 * vec3f(-2.0 * d.x, -2.0 * d.y, 4.0 * d.z);
    g[min(7, SH_ROWS - 1)] = -1.0925484305920792 * vec3f(d.z, 0.0, d.x);
    g[min(8, SH_ROWS - 1)] = 0.5462742152960396 * vec3f(2.0 * d.x, -2.0 * d.y, 0.0);
  }
  if (SH_DEGREE >= 3 && degree >= 3u) {
    let xx = d.x * d.x; let yy = d.y * d.y; let zz = d.z * d.z;
    g[min(9, SH_ROWS - 1)] = -0.5900435899266435 * vec3f(6.0 * d.x * d.y, 3.0 * xx - 3.0 * yy, 0.0);
    g[min(10, SH_ROWS - 1)] = 2.890611442640554 * vec3f(d.y * d.z, d.x * d.z, d.x * d.y);
    g[min(11, SH_ROWS - 1)] = -0.4570457994644658 * vec3f(-2.0 * d.x * d.y, 4.0 * zz - xx - 3.0 * yy, 8.0 * d.y * d.z);
    g[min(12, SH_ROWS - 1)] = 0.3731763325901154 * vec3f(-6.0 * d.x * d.z, -6.0 * d.y * d.z, 6.0 * zz - 3.0 * xx - 3.0 * yy);
    g[min(13, SH_ROWS - 1)] = -0.4570457994644658 * vec3f(4.0 * zz - 3.0 * xx - yy, -2.0 * d.x * d.y, 8.0 * d.x * d.z);
    g[min(14, SH_ROWS - 1)] = 1.445305721320277 * vec3f(2.0 * d.x * d.z, -2.0 * d.y * d.z, xx - yy);
    g[min(15, SH_ROWS - 1)] = -0.5900435899266435 * vec3f(3.0 * xx - 3.0 * yy, -6.0 * d.x * d.y, 0.0);
  }
  return g;
}
