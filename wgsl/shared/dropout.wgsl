// Dropout of Gaussians (Park et al., "DropGaussian: Structural Regularization for Sparse-view Gaussian Splatting", 2025): a step leaves
// out some of them at random, and the others are as much more opaque. Needs <view> and <random>.

// Parts of 256 that are left out.
fn dropoutShare(view: View) -> u32 {
  return view.dropout >> 24u;
}

fn isDropped(view: View, i: u32) -> bool {
  let share = dropoutShare(view);
  return share > 0u && (pcg4d(vec4u(view.dropout & 0xffffffu, 0u, 0u, i)).x >> 24u) < share;
}

// What a Gaussian's own opacity is of the opacity that it is drawn with.
fn ownOpacity(view: View) -> f32 {
  return f32(256u - dropoutShare(view)) / 256.0;
}
