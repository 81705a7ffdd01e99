// The values that SSIM filters. The including kernel includes picture and photometric.

const C1 = 0.0001;
const C2 = 0.0009;

// r and p of a pixel. With PAD_ZERO they are 0 outside the picture; otherwise no included window reaches there.
fn colours(at: vec2u, channel: u32) -> vec2f {
  let size = vec2u(picture.width, picture.height);
  let inside = min(at, size - 1u);
  let pixel = inside.y * size.x + inside.x;
  let found = vec2f(renderChannel(pixel, channel), photoChannel(pixel, channel));
  if (PAD_ZERO) {
    return select(vec2f(), found, all(at < size));
  }
  return found;
}

// The shift of a tile, near its colours: those of its middle, or grey where the middle is masked.
fn shiftAt(middle: vec2u, channel: u32) -> vec2f {
  if (SKIPS_MASKED && isMasked(middle.y * picture.width + middle.x)) {
    return vec2f(0.5);
  }
  return colours(middle, channel);
}

// Stands for r² + p² of a masked pixel. The mean square of a window with one is above LARGEST_SQUARE, that of any other window below.
const MASKED_SQUARE = 1e30;
const LARGEST_SQUARE = 1e20;

// r and p relative to the shift, r² + p² and r·p: SSIM needs only the sum of the variances.
fn moments(at: vec2u, channel: u32, shift: vec2f) -> vec4f {
  if (SKIPS_MASKED && all(at < vec2u(picture.width, picture.height)) && isMasked(at.y * picture.width + at.x)) {
    return vec4f(0.0, 0.0, MASKED_SQUARE, 0.0);
  }
  let colour = colours(at, channel) - shift;
  return vec4f(colour, dot(colour, colour), colour.x * colour.y);
}
