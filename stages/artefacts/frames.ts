import type { Camera } from './camera.ts';

/** Rendered pictures, on the GPU until someone asks for a file. */
export interface Frame {
  /** File stem, e.g. `0007`. */
  name: string;
  camera: Camera;
  /** f32 [H, W, 4]: rgb (unclamped, background included) and alpha. */
  color: GPUBuffer;
  /** f32 [H, W]: alpha-weighted mean camera z, world units; 0 where alpha is 0. */
  depth: GPUBuffer;
}

export interface Frames {
  fps: number;
  /** Of the splat as it is now (restyled, if a stylize stage ran). */
  frames: Frame[];
  /** The same cameras on the splat before restyling; empty when nothing restyled it. */
  before: Frame[];
}
