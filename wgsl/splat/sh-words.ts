import type { Constants } from '../core/index.ts';

/** The constants of kernels that include `sh` and `sh-rows`, for SH of so many stored bands. */
export function shConstants(shDegree: number): Constants {
  // Rows of 3 floats: those of degrees 1 and 3 fill whole vec4f.
  const wide = (shDegree + 1) ** 2 % 4 === 0;
  return { SH_DEGREE: shDegree, SH_WORD: wide ? 'vec4f' : 'f32', SH_STEP: wide ? 4 : 1 };
}

/** Bytes of a Gaussian's SH. */
export function shRowBytes(shDegree: number): number {
  return 12 * (shDegree + 1) ** 2;
}
