import { alpha, rgba } from './alpha.ts';
import { color, compare } from './color.ts';
import { depth } from './depth.ts';
import { normal } from './normal.ts';
import type { FrameOutput } from './output.ts';

/** The pictures of `orbit.outputs`, one row each. */
export const OUTPUTS = { color, rgba, depth, normal, alpha, compare } as const satisfies Record<
  string,
  FrameOutput
>;

export type OutputName = keyof typeof OUTPUTS;
export const OUTPUT_NAMES = Object.keys(OUTPUTS) as OutputName[];
