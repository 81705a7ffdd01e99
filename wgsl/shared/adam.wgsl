// Adam (Kingma and Ba 2015, as torch.optim.Adam computes it) on four floats of a splat's parameters at once. Needs the
// constants BETA1, BETA2, EPSILON.

struct AdamRates {
  // Learning rates ÷ (1 − beta1^t).
  means: f32,
  logScales: f32,
  quats: f32,
  opacityLogits: f32,
  // Of SH band 0, and of the others.
  shHead: f32,
  shTail: f32,
  // 1 ÷ sqrt(1 − beta2^t).
  secondScale: f32,
  // Weights of mean(sigmoid(opacityLogits)) and mean(exp(logScales)) in the loss.
  opacityWeight: f32,
  scaleWeight: f32,
}

fn firstMoment(m: vec4f, g: vec4f) -> vec4f {
  return BETA1 * m + (1.0 - BETA1) * g;
}

fn secondMoment(v: vec4f, g: vec4f) -> vec4f {
  return BETA2 * v + (1.0 - BETA2) * g * g;
}

fn adamUpdate(p: vec4f, m: vec4f, v: vec4f, rate: vec4f, secondScale: f32) -> vec4f {
  return p - rate * m / (sqrt(v) * secondScale + EPSILON);
}

// Where both moments and the gradient are 0, a step changes no byte.
fn isZeroUpdate(g: vec4f, m: vec4f, v: vec4f) -> bool {
  return all(g == vec4f(0.0)) && all(m == vec4f(0.0)) && all(v == vec4f(0.0));
}
