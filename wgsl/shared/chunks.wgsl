// Distributes `count` items over a fixed grid of workers (workgroups or threads): each processes one contiguous chunk of at
// least CHUNK_MIN items, a multiple of TILE, so that a small count occupies few workers and the order follows the worker's
// number. Workers at or beyond `activeChunks` have no items.

fn chunkSize(count: u32, workers: u32) -> u32 {
  return max(CHUNK_MIN, (count / workers + TILE) / TILE * TILE);
}

fn activeChunks(count: u32, workers: u32) -> u32 {
  let size = chunkSize(count, workers);
  return (count + size - 1u) / size;
}
