import { color } from './color.ts';
import { compare } from './compare.ts';
import type { FrameOutput } from './output.ts';

/** The pictures of `orbit.outputs`, one row each. */
export const OUTPUTS = { color, compare } as const satisfies Record<string, FrameOutput>;

export type OutputName = keyof typeof OUTPUTS;
export const OUTPUT_NAMES = Object.keys(OUTPUTS) as OutputName[];
