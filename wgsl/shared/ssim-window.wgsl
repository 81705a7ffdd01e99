// The SSIM window: TAP_0 is the outermost tap, TAP_5 the middle one. They are constants of the host.

const RADIUS = 5u;

fn windowMean(
  a: vec4f, b: vec4f, c: vec4f, d: vec4f, e: vec4f, f: vec4f, g: vec4f, h: vec4f, i: vec4f, j: vec4f, k: vec4f,
) -> vec4f {
  return TAP_0 * (a + k) + TAP_1 * (b + j) + TAP_2 * (c + i) + TAP_3 * (d + h) + TAP_4 * (e + g) + TAP_5 * f;
}

// The last ten values of a walk along a column or row.
struct Window {
  a: vec4f, b: vec4f, c: vec4f, d: vec4f, e: vec4f, f: vec4f, g: vec4f, h: vec4f, i: vec4f, j: vec4f,
}

fn advanced(w: Window, next: vec4f) -> Window {
  return Window(w.b, w.c, w.d, w.e, w.f, w.g, w.h, w.i, w.j, next);
}

// Of the ten values and the next.
fn meanWith(w: Window, next: vec4f) -> vec4f {
  return windowMean(w.a, w.b, w.c, w.d, w.e, w.f, w.g, w.h, w.i, w.j, next);
}
