/** Threads in a workgroup of the kernels here, each of which works on one row or one number alone. */
export const GROUP = 256;

/** Word of the training state's `counts` with the number of Gaussians; 0 while the step is void (see `Rasterizer`). */
export const COUNTS = { COUNT: 0 } as const;

/** Words beside a prefix sum: how many entries it has, and their sum. */
export const WORDS = { ENTRIES: 0, TOTAL: 1 } as const;

/** In a list of sources: this row copies no other; this row waits for a source. */
export const SOURCES = { NONE: 0xffffffff, PENDING: 0xfffffffe } as const;

/** What the scales of the halves of a split are divided by: 0.8 × the number of halves (3DGS, densifyAndSplit). */
export const SPLIT_SHRINK = 1.6;
