// Adam (Kingma and Ba 2015, as torch.optim.Adam computes it) on a parameter of a view that took `steps` steps of its own, this one included.
// Only the views that a step shows are updated, so the rate does not depend on their number.

const BETA1 = 0.9;
const BETA2 = 0.999;
const EPSILON = 1e-8;

struct AdamStep {
  m: f32,
  v: f32,
  // To be added to the parameter.
  change: f32,
}

fn viewAdam(gradient: f32, m: f32, v: f32, steps: u32, rate: f32) -> AdamStep {
  let first = BETA1 * m + (1.0 - BETA1) * gradient;
  let second = BETA2 * v + (1.0 - BETA2) * gradient * gradient;
  let t = f32(steps);
  let scale = 1.0 / sqrt(1.0 - pow(BETA2, t));
  return AdamStep(first, second, -rate / (1.0 - pow(BETA1, t)) * first / (sqrt(second) * scale + EPSILON));
}
