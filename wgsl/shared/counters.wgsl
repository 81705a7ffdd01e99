// The rasteriser's rasterCounters, words of one buffer.

// Visible Gaussians.
const VISIBLE = 0u;
// (tile, Gaussian) intersections that this view has.
const WANTED = 1u;
// Intersections that are worked on: WANTED, or 0 once the capacity was exceeded.
const INTERSECTIONS = 2u;
// The latch: 1 + the step that first exceeded the capacity, 0 while all is well.
const FAILED = 3u;
// WANTED of the step that FAILED names.
const NEEDED = 4u;
