struct ExposureView {
  // Of the picture.
  pixels: u32,
  // Of the view among the exposures.
  index: u32,
  // Adam's, for exposure-update.
  rate: f32,
}
