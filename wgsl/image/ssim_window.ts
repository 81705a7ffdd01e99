/** SSIM's window: 11 taps of a Gaussian with σ 1.5 (Wang et al. 2004), separable. */
export const SSIM_RADIUS = 5;
const SIGMA = 1.5;

/** Values that a kernel's thread filters together (RUN in shared/photometric.wgsl). */
const RUN = 4;
/** Values that a run reads: itself and the window's reach on both sides. */
export const SSIM_REACH = RUN + 2 * SSIM_RADIUS;

/** The taps from −5 to 5; they sum to 1. */
export function ssimTaps(): number[] {
  const raw = Array.from({ length: 2 * SSIM_RADIUS + 1 }, (_, i) => {
    const distance = i - SSIM_RADIUS;
    return Math.exp(-(distance * distance) / (2 * SIGMA * SIGMA));
  });
  const sum = raw.reduce((total, tap) => total + tap);
  return raw.map((tap) => tap / sum);
}

/** The struct Picture's `window` [14, 4]: what the s-th value that a run reads adds to its k-th filtered value. */
export function runWindow(): number[] {
  const taps = ssimTaps();
  return Array.from({ length: SSIM_REACH * RUN }, (_, i) => taps[Math.floor(i / RUN) - (i % RUN)] ?? 0);
}
