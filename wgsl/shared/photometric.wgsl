// Colours of the render and the photograph. The including kernel binds `picture`, `render` and `photo`.

fn renderChannel(pixel: u32, channel: u32) -> f32 {
  let value = render[4u * pixel + channel];
  if (CLAMP_RENDER) {
    return clamp(value, 0.0, 1.0);
  }
  return value;
}

fn photoChannel(pixel: u32, channel: u32) -> f32 {
  if (FLOAT_PHOTO) {
    return bitcast<f32>(photo[4u * pixel + channel]);
  }
  let value = f32((photo[pixel] >> (8u * channel)) & 255u) / 255.0;
  if (COMPOSITES) {
    // The stored colour is premultiplied.
    return value + (1.0 - f32(photo[pixel] >> 24u) / 255.0) * picture.background[channel];
  }
  return value;
}

// Whether the pixel takes no part in the comparison.
fn isMasked(pixel: u32) -> bool {
  if (SKIPS_MASKED) {
    return photo[pixel] >> 24u != 255u;
  }
  return false;
}
