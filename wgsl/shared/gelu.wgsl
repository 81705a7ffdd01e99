// GELU and its derivative. GELU_KIND is 0 for x·Φ(x) (Hendrycks and Gimpel, arXiv 1606.08415), or one of its approximations:
// 1 for OpenAI's x·σ(1.702x) ("quick GELU"), 2 for x·σ(2u) with u = √(2/π)·(x + 0.044715x³), which is ½x·(1 + tanh u).

// The error function, which WGSL lacks, to 1e-7 absolute. An odd polynomial up to 0.7, and 1 − exp(−q(t)) beyond. Both are
// Chebyshev fits in double precision, rounded to f32 and checked in f32. From 4 on, erf is 1 in f32.
fn erf(x: f32) -> f32 {
  let t = min(abs(x), 4.0);
  if (t <= 0.7) {
    let u = t * t;
    var p = fma(0.004286855924874544, u, -0.026479465886950493);
    p = fma(p, u, 0.11277153342962265);
    p = fma(p, u, -0.3761223554611206);
    p = fma(p, u, 1.1283791065216064);
    return sign(x) * p * t;
  }
  var q = fma(1.8910748622147366e-05, t, -0.0004074668395332992);
  q = fma(q, t, 0.00403405399993062);
  q = fma(q, t, -0.024748405441641808);
  q = fma(q, t, 0.10769969969987869);
  q = fma(q, t, 0.6338726282119751);
  q = fma(q, t, 1.1292589902877808);
  q = fma(q, t, -0.00012289838923607022);
  return sign(x) * (1.0 - exp(-q));
}

// 2u. Beyond ±10 the gate is 0 or 1 in f32; the bound keeps exp finite.
const GELU_TANH_RANGE = 10.0;

fn geluExponent(x: f32) -> f32 {
  let t = clamp(x, -GELU_TANH_RANGE, GELU_TANH_RANGE);
  return t * (1.5957691216057308 + 0.07135481627260025 * t * t);
}

fn gelu(x: f32) -> f32 {
  if (GELU_KIND == 0) {
    return 0.5 * x * (1.0 + erf(0.7071067811865476 * x));
  }
  if (GELU_KIND == 2) {
    return x / (1.0 + exp(-geluExponent(x)));
  }
  return x / (1.0 + exp(-1.702 * x));
}

fn geluDerivative(x: f32) -> f32 {
  if (GELU_KIND == 0) {
    return 0.5 * (1.0 + erf(0.7071067811865476 * x)) + 0.3989422804014327 * x * exp(-0.5 * x * x);
  }
  if (GELU_KIND == 2) {
    let t = clamp(x, -GELU_TANH_RANGE, GELU_TANH_RANGE);
    let gate = 1.0 / (1.0 + exp(-geluExponent(t)));
    return gate * (1.0 + t * (1.0 - gate) * (1.5957691216057308 + 0.21406444881780076 * t * t));
  }
  let gate = 1.0 / (1.0 + exp(-1.702 * x));
  return gate * (1.0 + 1.702 * x * (1.0 - gate));
}
