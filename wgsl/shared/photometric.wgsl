// What the photometric kernels share: colours, and where windows count. The including kernel binds `picture` (include
// picture), `render` and `photo`.

const RADIUS = 5u; // of the SSIM window of 11×11
const RUN = 4u; // pixels of a row or a column that one thread filters together: 14 values read for 4, not 44
const PATCH = TILE + 2u * RADIUS;

fn render_channel(pixel: u32, channel: u32) -> f32 {
  let value = render[4u * pixel + channel];
  if (CLAMP_RENDER) {
    return clamp(value, 0.0, 1.0);
  }
  return value;
}

fn photo_channel(pixel: u32, channel: u32) -> f32 {
  if (FLOAT_PHOTO) {
    return bitcast<f32>(photo[4u * pixel + channel]);
  }
  return f32((photo[pixel] >> (8u * channel)) & 255u) / 255.0;
}

// Whether the window centred on a pixel counts: all of them with zero padding, otherwise those wholly inside.
fn window_counts(at: vec2u) -> bool {
  let size = vec2u(picture.width, picture.height);
  if (PAD_ZERO) {
    return all(at < size);
  }
  return all(at >= vec2u(RADIUS)) && all(at < size - RADIUS);
}
