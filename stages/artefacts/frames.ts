import type { Camera } from './camera.ts';

/** One finished picture, on the GPU until someone asks for a file. */
export interface Frame {
  /** File stem, e.g. `0007`. */
  name: string;
  camera: Camera;
  /**
   * u32 [H, W], rgba8 with r in the lowest byte, row-major, as photographs are: rgb clamped and rounded half up, background
   * included, and alpha. What the PNG shows is what is scored, and a saved frame is exact.
   */
  color: GPUBuffer;
  /** f32 [H, W]: alpha-weighted mean camera z, world units; 0 where alpha is 0. */
  depth: GPUBuffer;
}

/** A camera path rendered. Neighbours in the list are neighbours on the path. */
export interface Frames {
  fps: number;
  /** Of the splat as it is now (restyled, if a stylize stage ran). */
  frames: Frame[];
  /** The same cameras on the splat before restyling; empty when nothing restyled it. */
  before: Frame[];
}

/** GPU bytes of one picture: rgba8 colour and f32 depth. */
export const FRAME_BYTES_PER_PIXEL = 8;

/** Frees the pictures' buffers. They are of no use afterwards; a second call does nothing. */
export function releaseFrames({ frames, before }: Frames): void {
  for (const { color, depth } of [...frames, ...before]) {
    color.destroy();
    depth.destroy();
  }
}
