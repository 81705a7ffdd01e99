// Sizes of image/structure. The including kernel binds `size`.

// Luma of BT.709.
const LUMA = vec3f(0.2126, 0.7152, 0.0722);

struct Size {
  width: u32, // pixels a row of the picture
  halfWidth: u32,
  halfHeight: u32,
  chunks: u32, // partial sums
  slot: u32, // of the result
  weight: f32, // of the loss
}

// The first of the 2×2 pixels of a value at half resolution.
fn firstPixel(place: u32) -> u32 {
  return 2u * (place / size.halfWidth) * size.width + 2u * (place % size.halfWidth);
}
