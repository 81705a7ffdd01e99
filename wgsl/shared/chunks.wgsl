// How a fixed grid of workers (workgroups or threads) shares `count` items: each takes one contiguous chunk, never less
// than CHUNK_MIN items and always whole multiples of TILE, so that a small count keeps few workers busy and order follows
// the worker's number. Workers at or beyond `activeChunks` have nothing to do.

fn chunkSize(count: u32, workers: u32) -> u32 {
  return max(CHUNK_MIN, (count / workers + TILE) / TILE * TILE);
}

fn activeChunks(count: u32, workers: u32) -> u32 {
  let size = chunkSize(count, workers);
  return (count + size - 1u) / size;
}
