import { alpha } from './alpha.ts';
import { color } from './color.ts';
import { compare } from './compare.ts';
import { depth } from './depth.ts';
import { normal } from './normal.ts';
import type { FrameOutput } from './output.ts';
import { rgba } from './rgba.ts';

/** The pictures of `orbit.outputs`, one row each. */
export const OUTPUTS = { color, rgba, depth, normal, alpha, compare } as const satisfies Record<
  string,
  FrameOutput
>;

export type OutputName = keyof typeof OUTPUTS;
export const OUTPUT_NAMES = Object.keys(OUTPUTS) as OutputName[];
