/** What decides how many bytes a step moves. */
export interface Work {
  gaussians: number;
  visible: number;
  intersections: number;
  pixels: number;
  shDegree: number;
}

/** Bytes that one phase has to read and to write. */
export interface Phase {
  name: 'project' | 'order' | 'forward' | 'loss' | 'backward' | 'update';
  bytes: number;
}

const WORD = 4;
/** Mean, scales, quaternion, opacity. */
const GEOMETRY = 11;
/** What blending needs of a splat: mean 2, conic 3, opacity, colour 3. */
const SPLAT = 9;
/** Sums that come back from blending, of as many numbers. */
const SUMS = 9;
const DEPTH = 1;
const RGB = 3;
/** rgb and transmittance. */
const PIXEL = 4;

/**
 * The least that a step must move: each phase reads what it needs once and writes what it leaves once, and nothing stays
 * in a cache from phase to phase. The terms are derived in docs/performance.md.
 */
export function stepTraffic({ gaussians, visible, intersections, pixels, shDegree }: Work): Phase[] {
  const sh = 3 * (shDegree + 1) ** 2;
  const words: Record<Phase['name'], number> = {
    project: GEOMETRY * gaussians + (sh + SPLAT + DEPTH) * visible,
    // Depths in, and the splats of each tile in their order out.
    order: DEPTH * visible + intersections,
    forward: intersections + SPLAT * visible + PIXEL * pixels,
    // Photographs are rgba8, a word a pixel.
    loss: (RGB + 1 + RGB) * pixels,
    backward: intersections + SPLAT * visible + (RGB + PIXEL) * pixels + SUMS * visible,
    // Parameters and both moments, in and out. What was never seen has nothing to move.
    update: SUMS * visible + 2 * 3 * (GEOMETRY + sh) * visible,
  };
  return Object.entries(words).map(([name, count]) => ({ name: name as Phase['name'], bytes: WORD * count }));
}

/** The least that a picture without a gradient must move. */
export function renderTraffic(work: Work): Phase[] {
  return stepTraffic(work).filter(({ name }) => ['project', 'order', 'forward'].includes(name));
}

export function total(phases: readonly Phase[]): number {
  return phases.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** The part of a card's bandwidth (bytes a second) that moving so many bytes in so many ms uses. */
export function share(bytes: number, ms: number, bandwidth: number): number {
  return bytes / (ms / 1000) / bandwidth;
}
