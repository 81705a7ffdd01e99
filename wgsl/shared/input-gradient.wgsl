// Writes dL/dx of an op's input x into `gradX`. With `sizes.accumulates` it adds instead: x has several uses, and the backward
// pass of another one has written the gradient before.

fn writeGradX(i: u32, value: f32) {
  if (sizes.accumulates == 1u) {
    gradX[i] += value;
  } else {
    gradX[i] = value;
  }
}
