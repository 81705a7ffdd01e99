import { type Arena, type Gpu, InputError } from '../../wgsl/core/index.ts';
import type { Vec3 } from '../artefacts/camera.ts';
import type { Frames } from '../artefacts/frames.ts';
import type { Gaussians } from '../artefacts/gaussians.ts';
import type { OutputFolder } from '../stage.ts';
import type { PictureOptions } from './files/format.ts';
import { FILE_NAMES, type FileName } from './files/index.ts';
import { OUTPUTS, type OutputName } from './outputs/index.ts';
import type { FrameOutput, OutputRenderer, OutputScene } from './outputs/output.ts';
import { filesOf, PictureFiles } from './picture-files.ts';
import type { FrameList } from './render-frames.ts';

export interface OutputFilesOptions {
  outputs: readonly OutputName[];
  files: readonly FileName[];
  width: number;
  height: number;
  fps: number;
  /** Bit rate of videos, Mbit/s. Default: constant quality. */
  bitrate?: number;
  background: Vec3;
}

type SizeOptions = Pick<OutputFilesOptions, 'width' | 'height' | 'fps' | 'bitrate'>;

/** The pictures of an output and their files. */
function picturesOf(output: FrameOutput, options: SizeOptions): PictureOptions[] {
  const { width, height, fps, bitrate } = options;
  return output.pictures.map(({ stem, folder = stem, poster = `${stem}-poster`, kind, widths = 1 }) => ({
    stem,
    folder,
    poster,
    kind,
    width: widths * width,
    height,
    fps,
    // As many bits for a pixel, whatever the width.
    bitrate: bitrate && widths * bitrate,
  }));
}

/**
 * Checks that the encoders support the pictures. @throws InputError where they do not, and for an output that none of the files can
 * hold.
 */
export async function checkOutputs(
  options: SizeOptions & Pick<OutputFilesOptions, 'outputs' | 'files'>,
): Promise<void> {
  const { outputs, files } = options;
  for (const name of outputs) {
    const written = picturesOf(OUTPUTS[name], options).map((picture) => ({
      picture,
      formats: filesOf(picture, files),
    }));
    if (files.length && written.every(({ formats }) => !formats.length)) {
      const able = FILE_NAMES.filter((file) =>
        written.some(({ picture }) => filesOf(picture, [file]).length),
      );
      throw new InputError(
        `orbit.outputs: ${name} is in none of the files ${files.join(', ')}; add one of ${able.join(', ')} to orbit.files`,
      );
    }
    for (const { picture, formats } of written) {
      for (const format of formats) await format.check?.(picture);
    }
  }
}

/** One output that is being written. */
interface OpenOutput {
  arena: Arena;
  renderer: OutputRenderer;
  files: PictureFiles[];
}

/**
 * Writes the outputs of the frames to files: some after each frame, so that encoding overlaps with rendering, and then each of the
 * others, with one picture at a time on the GPU.
 */
export class OutputFiles {
  readonly #gpu: Gpu;
  readonly #folder: OutputFolder;
  readonly #gaussians: Gaussians;
  readonly #options: OutputFilesOptions;
  /** Outputs that are drawn after each frame, once the first is complete. */
  #open?: OpenOutput[];

  constructor(gpu: Gpu, folder: OutputFolder, gaussians: Gaussians, options: OutputFilesOptions) {
    this.#gpu = gpu;
    this.#folder = folder;
    this.#gaussians = gaussians;
    this.#options = options;
  }

  /** Number of outputs that are drawn once all frames are rendered. */
  get later(): number {
    return this.#rows().filter(({ after }) => after).length;
  }

  /** Accepts a complete frame. Waits only while too many are in flight. */
  async take(frames: Frames, list: FrameList, index: number): Promise<void> {
    if (list === 'before') return;
    this.#open ??= await this.#openAll(
      this.#rows().filter(({ after }) => !after),
      frames,
    );
    for (const output of this.#open) await this.#draw(output, frames, index);
  }

  /** Draws the remaining outputs of the rendered frames and completes all files. `onPicture` follows each frame of each of them. */
  async finish(frames: Frames, onPicture: () => void = () => {}): Promise<void> {
    await this.#close();
    for (const row of this.#rows().filter(({ after }) => after)) {
      this.#open = await this.#openAll([row], frames);
      for (let index = 0; index < frames.frames.length; index++) {
        await this.#draw(this.#open[0], frames, index);
        onPicture();
      }
      await this.#close();
    }
  }

  /** Cleans up after a failure: waits for pending work and writes nothing more. */
  async cancel(): Promise<void> {
    for (const output of this.#open ?? []) await this.#cancel(output);
    this.#open = undefined;
  }

  #rows(): FrameOutput[] {
    return this.#options.outputs.map((name) => OUTPUTS[name]);
  }

  async #openAll(rows: readonly FrameOutput[], frames: Frames): Promise<OpenOutput[]> {
    const all: OpenOutput[] = [];
    try {
      for (const row of rows) all.push(await this.#openOne(row, frames));
      return all;
    } catch (error) {
      for (const output of all) await this.#cancel(output);
      throw error;
    }
  }

  async #openOne(row: FrameOutput, frames: Frames): Promise<OpenOutput> {
    const gpu = this.#gpu;
    const { width, height, background, files: names } = this.#options;
    const arena = gpu.arena(`orbit/${row.pictures[0].stem}`);
    const scene: OutputScene = { gpu, arena, frames, gaussians: this.#gaussians, background, width, height };
    const files: PictureFiles[] = [];
    try {
      for (const picture of picturesOf(row, this.#options)) {
        files.push(await PictureFiles.create(gpu, this.#folder, picture, names));
      }
      return { arena, files, renderer: await row.create(scene) };
    } catch (error) {
      for (const file of files) await file.cancel();
      arena.destroy();
      throw error;
    }
  }

  async #draw({ renderer, files }: OpenOutput, frames: Frames, index: number): Promise<void> {
    const pictures = await renderer.draw(index);
    for (const [i, file] of files.entries()) await file.take(pictures[i], frames.frames[index].name);
  }

  async #close(): Promise<void> {
    for (const { files, renderer } of this.#open ?? []) {
      for (const file of files) await file.finish();
      for (const [path, value] of Object.entries(renderer.notes ?? {})) {
        await this.#folder.write(path, `${JSON.stringify(value, null, 1)}\n`);
      }
    }
    for (const output of this.#open ?? []) this.#free(output);
    this.#open = undefined;
  }

  async #cancel(output: OpenOutput): Promise<void> {
    for (const file of output.files) await file.cancel();
    this.#free(output);
  }

  #free({ renderer, arena }: OpenOutput): void {
    renderer.destroy?.();
    arena.destroy();
  }
}
