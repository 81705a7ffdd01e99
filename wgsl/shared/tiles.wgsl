// Which tiles a projected Gaussian touches: those with a pixel centre where alpha may reach 1/255. Needs the constant TILE.

// Slack of the tile test. An exponent in f32 has an error of at most 8 · 2^-24 of the sum of its terms' absolute values, which for
// long, thin Gaussians is far larger than the exponent itself; `relative` is a share of that sum, `absolute` covers log and exp.
struct Slack {
  absolute: f32,
  relative: f32,
}

// project counts tiles with the whole slack and emit lists them with half of it. The difference exceeds both tests' rounding, so
// emit never finds a tile that was not counted; half the slack exceeds the rounding of the test and of a pixel, so no pixel is lost.
const COUNT_SLACK = Slack(1e-3, 0x1p-19);
const EMIT_SLACK = Slack(0.5e-3, 0x1p-20);
// Bound of the rounding in the stored conic, as a share of cov.xx · cov.yy / determinant.
const CONIC_ROUNDING = 0x1p-19;
// Pixels that cover the rounding of the box itself.
const BOX_MARGIN = 0.01;

struct TileBox {
  low: vec2u,
  // Exclusive.
  high: vec2u,
}

// The tiles of the ellipse's bounding box. `sigma` is ln(255·opacity), where alpha falls to 1/255. The ellipse is that of the stored
// conic: where the determinant cancels, it may reach beyond the covariance's.
fn tileBox(mean: vec2f, cov: vec3f, det: f32, sigma: f32, tiles: vec2u) -> TileBox {
  let certain = max(1.0 - CONIC_ROUNDING * cov.x * cov.z / det, 1e-6);
  let reach = sqrt(2.0 * (sigma + COUNT_SLACK.absolute) / certain * cov.xz) + BOX_MARGIN;
  let limit = vec2f(tiles);
  // Pixel p has its centre at p + 0.5.
  let low = clamp(floor((mean - reach - 0.5) / f32(TILE)), vec2f(0.0), limit);
  let high = clamp(floor((mean + reach - 0.5) / f32(TILE)) + 1.0, vec2f(0.0), limit);
  return TileBox(vec2u(low), vec2u(high));
}

// The exponent at an offset from the mean, less its share of the slack. conic holds xx, xy, yy of the inverse covariance.
fn minExponent(conic: vec3f, d: vec2f, slack: Slack) -> f32 {
  let cross = conic.y * d.x * d.y;
  return 0.5 * (1.0 - slack.relative) * (conic.x * d.x * d.x + conic.z * d.y * d.y) + cross - slack.relative * abs(cross);
}

// The smallest exponent over the rectangle of a tile's pixel centres, against `sigma`.
fn touchesTile(tile: vec2u, mean: vec2f, conic: vec3f, sigma: f32, slack: Slack) -> bool {
  let low = vec2f(tile * u32(TILE)) + 0.5 - mean;
  let high = low + f32(TILE - 1);
  // The nearest point of the rectangle in each axis alone; zero where the mean lies inside.
  let near = clamp(vec2f(0.0), low, high);
  // Along the edge at x = near.x the best y is −xy·x/yy, clamped to the edge; along y = near.y alike.
  let y = clamp(-conic.y * near.x / conic.z, low.y, high.y);
  let x = clamp(-conic.y * near.y / conic.x, low.x, high.x);
  let alongX = minExponent(conic, vec2f(near.x, y), slack);
  let alongY = minExponent(conic, vec2f(x, near.y), slack);
  return min(alongX, alongY) <= sigma + slack.absolute;
}
