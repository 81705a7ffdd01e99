import type { Arena, Gpu } from '../../../wgsl/core/index.ts';
import type { Vec3 } from '../../artefacts/camera.ts';
import type { Frames } from '../../artefacts/frames.ts';
import type { Gaussians } from '../../artefacts/gaussians.ts';
import type { PixelKind } from '../../artefacts/png.ts';

/** Pictures of one kind, all of one size. */
export interface OutputPicture {
  /** Folder of the files that hold one picture; `stem` unless given. */
  folder?: string;
  /** Name of the files that hold all pictures, without the ending. */
  stem: string;
  /** Name of the poster; `STEM-poster` unless given. */
  poster?: string;
  kind: PixelKind;
  /** Width, relative to a frame; 1 unless given. */
  widths?: number;
}

/** What an output is drawn from. */
export interface OutputScene {
  gpu: Gpu;
  /** Owns the buffers of the output; freed after its last picture. */
  arena: Arena;
  /** The frames that are complete; all of them for an output that is drawn `after` them. */
  frames: Frames;
  gaussians: Gaussians;
  background: Vec3;
  /** Pixels of a frame. */
  width: number;
  height: number;
}

/** Draws the pictures of an output, one frame after the other. */
export interface OutputRenderer {
  /**
   * Submits the pictures of a frame: a buffer for each of `pictures`, in the layout of its kind (`PixelKind`), until the next call.
   */
  draw(index: number): GPUBuffer[] | Promise<GPUBuffer[]>;
  /** What a reader of the files must know, by file name. */
  notes?: Record<string, unknown>;
  destroy?(): void;
}

/** A row of `orbit.outputs`. */
export interface FrameOutput {
  /** What is drawn, one line. */
  summary: string;
  pictures: readonly OutputPicture[];
  /** Drawn once all frames are rendered; otherwise after each frame. */
  after?: boolean;
  /** Reads the splat before restyling. Without one the output is not written. */
  needsBefore?: boolean;
  create(scene: OutputScene): Promise<OutputRenderer>;
}
