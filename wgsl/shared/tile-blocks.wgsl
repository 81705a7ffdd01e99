// A tile as blocks of neighbouring pixels, one subgroup each, so that every block skips the splats that do not reach it.
// Needs <view>, <projection>, <tiles> and the constants TILE and SUBGROUP (4 to 32).

const PIXELS = u32(TILE * TILE);
// Pixels a block: one per lane, or more, so that a tile has at most 32 blocks, the bits of a mask.
const BLOCK = max(u32(SUBGROUP), PIXELS / 32u);
const BLOCKS = PIXELS / BLOCK;
const BLOCK_WIDTH = select(select(2u, 4u, BLOCK >= 8u), 8u, BLOCK >= 32u);
const BLOCK_HEIGHT = BLOCK / BLOCK_WIDTH;
const BLOCK_ROWS = u32(TILE) / BLOCK_HEIGHT;
// Blending stops before the splat that would leave less transmittance (3DGS).
const T_MIN = 1e-4;
const LOG2_E = 1.4426950408889634;

// The first pixel of a tile.
fn tileCorner(view: View, tile: u32) -> vec2u {
  return vec2u(tile % view.tiles.x, tile / view.tiles.x) * u32(TILE);
}

// The position in the tile of the i-th pixel of a block, given by its number. The numbers go down the columns.
fn blockPixel(number: u32, i: u32) -> vec2u {
  let x = (number / BLOCK_ROWS) * BLOCK_WIDTH + i % BLOCK_WIDTH;
  let y = (number % BLOCK_ROWS) * BLOCK_HEIGHT + i / BLOCK_WIDTH;
  return vec2u(x, y);
}

// Slot k of a tile: the pixels of one block for one subgroup.
fn blockOf(k: u32) -> u32 {
  return k * u32(SUBGROUP) / BLOCK;
}

// The position in the tile of a lane's pixel of slot k.
fn placeOf(k: u32, lane: u32) -> vec2u {
  return blockPixel(blockOf(k), k * u32(SUBGROUP) % BLOCK + lane);
}

// A bit for each block with a pixel centre where alpha may reach 1/255: touchesTile for a smaller rectangle.
// `mean` counts from the centre of the tile's first pixel; `a` and `b` are a splat's first two rows.
fn touchedBlocks(mean: vec2f, a: vec4f, b: vec4f) -> u32 {
  let conic = vec3f(a.zw, b.x);
  let limit = log(255.0 * b.y) + EMIT_SLACK.absolute;
  let slope = -conic.y / conic.xz;
  var mask = 0u;
  for (var k = 0u; k < BLOCKS; k++) {
    let low = vec2f(blockPixel(k, 0u)) - mean;
    let high = low + vec2f(f32(BLOCK_WIDTH - 1u), f32(BLOCK_HEIGHT - 1u));
    let near = clamp(vec2f(0.0), low, high);
    let far = clamp(slope.yx * near.xy, low.yx, high.yx);
    // Along x = near.x the nearest y is far.x; along y = near.y the nearest x is far.y.
    let cross = conic.y * near * far;
    let along = 0.5 * (1.0 - EMIT_SLACK.relative) * (conic.xz * near * near + conic.zx * far * far) + cross -
      EMIT_SLACK.relative * abs(cross);
    mask |= select(0u, 1u << k, min(along.x, along.y) <= limit);
  }
  return mask;
}

// A splat's first row with the conic scaled for `exponent`, and its second alike.
fn scaledFirst(a: vec4f) -> vec4f {
  return vec4f(a.xy, -0.5 * LOG2_E * a.z, -LOG2_E * a.w);
}

fn scaledSecond(b: vec4f) -> vec4f {
  return vec4f(-0.5 * LOG2_E * b.x, b.yzw);
}

// −σ / ln 2 at d = mean − pixel, for scaled rows; and at two pixels.
fn exponent(a: vec4f, b: vec4f, d: vec2f) -> f32 {
  return d.x * (a.z * d.x + a.w * d.y) + b.x * d.y * d.y;
}

fn exponents(a: vec4f, b: vec4f, dx: vec2f, dy: vec2f) -> vec2f {
  return dx * (a.z * dx + a.w * dy) + b.x * dy * dy;
}

// A tile's splats form buckets of BUCKET. A bucket's number among those of all tiles: ascending and unique, because every
// bucket except its tile's last is full. Some numbers are unused.
fn firstBucket(tile: u32, start: u32) -> u32 {
  return tile + start / u32(BUCKET);
}

// The offset of the pixels' state at the start of a tile's k-th bucket (k > 0); at the start of the first bucket it is known.
fn stateOf(start: u32, k: u32) -> u32 {
  return (start / u32(BUCKET) + k - 1u) * PIXELS;
}
