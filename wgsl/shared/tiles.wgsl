// Which tiles a splat touches: exactly those with a pixel centre where alpha may reach 1/255. Needs the constant TILE.

// Slack on the exponent, so that rounding never loses a tile; the pixels themselves decide with the exact rule.
const SIGMA_SLACK = 1e-3;

struct TileBox {
  low: vec2u,
  // Exclusive.
  high: vec2u,
}

// The tiles of the ellipse's bounding box. `sigma` is ln(255·opacity), where alpha falls to 1/255.
fn tileBox(mean: vec2f, covDiagonal: vec2f, sigma: f32, tiles: vec2u) -> TileBox {
  let reach = sqrt(2.0 * (sigma + SIGMA_SLACK) * covDiagonal);
  let limit = vec2f(tiles);
  // Pixel p has its centre at p + 0.5.
  let low = clamp(floor((mean - reach - 0.5) / f32(TILE)), vec2f(0.0), limit);
  let high = clamp(floor((mean + reach - 0.5) / f32(TILE)) + 1.0, vec2f(0.0), limit);
  return TileBox(vec2u(low), vec2u(high));
}

// The smallest exponent of the Gaussian over the pixel centres' rectangle of a tile, against `sigma`.
// conic holds xx, xy, yy of the inverse covariance.
fn touchesTile(tile: vec2u, mean: vec2f, conic: vec3f, sigma: f32) -> bool {
  let low = vec2f(tile * u32(TILE)) + 0.5 - mean;
  let high = low + f32(TILE - 1);
  // The nearest point of the rectangle in each axis alone; zero where the mean lies inside.
  let near = clamp(vec2f(0.0), low, high);
  // Along the edge at x = near.x the best y is −xy·x/yy, clamped to the edge; along y = near.y alike.
  let y = clamp(-conic.y * near.x / conic.z, low.y, high.y);
  let x = clamp(-conic.y * near.y / conic.x, low.x, high.x);
  let alongX = 0.5 * (conic.x * near.x * near.x + conic.z * y * y) + conic.y * near.x * y;
  let alongY = 0.5 * (conic.x * x * x + conic.z * near.y * near.y) + conic.y * x * near.y;
  return min(alongX, alongY) <= sigma + SIGMA_SLACK;
}
