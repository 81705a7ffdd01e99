// Colours of the render and the photograph. The including kernel binds `render` and `photo`.

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
  return f32((photo[pixel] >> (8u * channel)) & 255u) / 255.0;
}
