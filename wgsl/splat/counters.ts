/** Words of the rasteriser's counters; the twin of `shared/counters.wgsl` (a test compares the two). */
export const RASTER_COUNTERS = { VISIBLE: 0, WANTED: 1, INTERSECTIONS: 2, FAILED: 3, NEEDED: 4 } as const;
export const RASTER_COUNTER_WORDS = 5;
