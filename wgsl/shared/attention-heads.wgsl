// Operands of attention on tensor cores, as linear-heads stores them: tiles of 16 × 16 by (image, head), HEAD_TILES tiles wide.

alias Left = subgroup_matrix_left<f16, 16, 16>;
alias Right = subgroup_matrix_right<f16, 16, 16>;
alias Sum = subgroup_matrix_result<f32, 16, 16>;

struct Attention {
  // An image has `tokens` keys, of which the first `queries` are queries too.
  tokens: u32,
  tokenTiles: u32,
  queries: u32,
  queryTiles: u32,
  heads: u32,
  // Elements of a section of `heads`.
  sectionSize: u32,
  // Of the buffer of queries: tiles a (image, head), and elements from one image to the next, 0 if all images share them.
  queryLayoutTiles: u32,
  queryStride: u32,
  // The image of the first workgroups along z.
  firstImage: u32,
  // Logits are logitScale·(q·k): 1/√width, and the scales of the stored operands.
  logitScale: f32,
  // The gradients of logits are multiplied by this before they become f16.
  gradScale: f32,
  // From sums over stored operands to gradients of queries and keys, and of values.
  queryGradScale: f32,
  valueGradScale: f32,
}

// Tiles of keys that a subgroup takes at once.
const CHUNK = 2u;
const CHUNK_SIZE = CHUNK * 256u;
const THREADS = SUBGROUPS * SUBGROUP;

fn tiled(row: u32, column: u32, tiles: u32) -> u32 {
  return (row / 16u * tiles + column / 16u) * 256u + row % 16u * 16u + column % 16u;
}

// First element of (image, head) in a section of keys or values.
fn startOf(image: u32, head: u32) -> u32 {
  return (image * attention.heads + head) * attention.tokenTiles * HEAD_TILES * 256u;
}

// First element of 16 queries.
fn queryStartOf(image: u32, head: u32, tile: u32) -> u32 {
  return image * attention.queryStride + (head * attention.queryLayoutTiles + tile) * HEAD_TILES * 256u;
}

// First element of 16 queries in gradOutput.
fn gradStartOf(image: u32, head: u32, tile: u32) -> u32 {
  return ((image * attention.heads + head) * attention.queryTiles + tile) * HEAD_TILES * 256u;
}
