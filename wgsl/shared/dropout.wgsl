// Dropout of Gaussians (Park et al., "DropGaussian: Structural Regularization for Sparse-view Gaussian Splatting", 2025): a step
// drops some of them at random and raises the opacity of the others to match. Needs <view> and <random>.

// The dropped share, in 256ths.
fn dropoutShare(view: View) -> u32 {
  return view.dropout >> 24u;
}

fn isDropped(view: View, i: u32) -> bool {
  let share = dropoutShare(view);
  return share > 0u && (pcg4d(vec4u(view.dropout & 0xffffffu, 0u, 0u, i)).x >> 24u) < share;
}

// A Gaussian's own opacity ÷ the opacity that it is drawn with.
fn ownOpacity(view: View) -> f32 {
  return f32(256u - dropoutShare(view)) / 256.0;
}
