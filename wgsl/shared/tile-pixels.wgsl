// The four pixels of a thread: one column, four rows. Needs <view> and the constant TILE.

const THREADS = u32(TILE * TILE / 4);
// Blending stops before the splat that would leave less transmittance (3DGS).
const T_MIN = 1e-4;

struct Pixels {
  // Centres; x is the same for the four.
  x: f32,
  y: vec4f,
  inside: vec4<bool>,
  // Indices in the picture.
  index: vec4u,
}

fn pixelsOf(view: View, tile: u32, lane: u32) -> Pixels {
  let corner = vec2u(tile % view.tiles.x, tile / view.tiles.x) * u32(TILE);
  let x = corner.x + lane % u32(TILE);
  let y = corner.y + 4u * (lane / u32(TILE)) + vec4u(0u, 1u, 2u, 3u);
  return Pixels(
    f32(x) + 0.5,
    vec4f(y) + 0.5,
    (y < vec4u(view.size.y)) & vec4<bool>(x < view.size.x),
    y * view.size.x + x,
  );
}
