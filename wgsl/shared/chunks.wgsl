// How a fixed grid of GROUPS workgroups shares `count` items: each takes one contiguous chunk, never less than CHUNK_MIN
// items and always whole multiples of TILE, so that a small count keeps few groups busy and order follows the group's
// number. Groups at or beyond `active_chunks` have nothing to do.

fn chunk_size(count: u32) -> u32 {
  return max(CHUNK_MIN, (count / GROUPS + TILE) / TILE * TILE);
}

fn active_chunks(count: u32) -> u32 {
  let size = chunk_size(count);
  return (count + size - 1u) / size;
}
