// The SSIM window: TAP_0 is the outermost tap, TAP_5 the middle one. They are constants of the host.

const RADIUS = 5u;

fn windowMean(
  a: vec4f, b: vec4f, c: vec4f, d: vec4f, e: vec4f, f: vec4f, g: vec4f, h: vec4f, i: vec4f, j: vec4f, k: vec4f,
) -> vec4f {
  return TAP_0 * (a + k) + TAP_1 * (b + j) + TAP_2 * (c + i) + TAP_3 * (d + h) + TAP_4 * (e + g) + TAP_5 * f;
}
