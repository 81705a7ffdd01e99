// A loss that is a sum over pixels: its sizes, and the rounded L1. The including kernel binds `sizes`.

struct Sizes {
  width: u32,
  height: u32,
  chunks: u32, // partial sums, of CHUNK pixels each
  weight: f32, // of the loss
}

// √(d² + ε²) − ε, without cancellation, with ε = 1/255, Charbonnier's |d|: differentiable at 0, so that differences below one level of 8 bits pull little.
const EPSILON = 1.0 / 255.0;

fn roundedL1(difference: vec3f) -> vec3f {
  let squares = difference * difference;
  return squares / (sqrt(squares + EPSILON * EPSILON) + EPSILON);
}

// Its derivative.
fn roundedSign(difference: vec3f) -> vec3f {
  return difference / sqrt(difference * difference + EPSILON * EPSILON);
}

// The loss is a mean over pixels and channels.
fn scale() -> f32 {
  return sizes.weight / (3.0 * f32(sizes.width * sizes.height));
}
