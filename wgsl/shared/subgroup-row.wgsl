// Kernels with one subgroup a row of WIDTH values, a multiple of four, and ROWS rows a workgroup. Invocation `lane` holds the vectors of four
// values at lane, lane + SUBGROUP, and so on: QUADS of them, those beyond the row being zero.

const THREADS = ROWS * SUBGROUP;
const ROW_QUADS = u32(WIDTH) / 4u;
const QUADS = (ROW_QUADS + SUBGROUP - 1u) / SUBGROUP;

// The row of an invocation's subgroup; those beyond the last are to repeat it and not be stored.
fn rowOf(group: vec3u, at: SubgroupThread) -> u32 {
  return group.x * ROWS + subgroupOf(at);
}

fn rowTotal(value: vec4f) -> f32 {
  return subgroupAdd(value.x + value.y + value.z + value.w);
}

fn rowLargest(value: vec4f) -> f32 {
  return subgroupMax(max(max(value.x, value.y), max(value.z, value.w)));
}

// The place of a row's vector of four values in a matrix of tiles.
fn tiledQuad(row: u32, quad: u32) -> u32 {
  return tiled(row, 4u * quad, (u32(WIDTH) + 15u) / 16u) / 4u;
}
