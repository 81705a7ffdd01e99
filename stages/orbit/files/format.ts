import type { PixelKind } from '../../artefacts/png.ts';
import type { OutputFolder } from '../../stage.ts';

/** A sequence of pictures and where its files go. */
export interface PictureOptions {
  /** File name without its ending, e.g. `turntable`. */
  stem: string;
  /** Folder of files that hold one picture, e.g. `frames`. */
  folder: string;
  /** Name of the poster without its ending. */
  poster: string;
  kind: PixelKind;
  /** Pixels. */
  width: number;
  height: number;
  fps: number;
  /** Bit rate of an H.264 video, Mbit/s. Default: constant quality. */
  bitrate?: number;
}

/** Writes pictures to files, in the order in which they are added. */
export interface PictureWriter {
  /** Adds a picture by its name, e.g. `0007`. Its pixels may change once this resolves. Waits only while too many are queued. */
  add(pixels: Uint8Array, name: string): Promise<void>;
  /** Completes the files. */
  finish(): Promise<void>;
  /** Aborts and frees everything. */
  cancel(): Promise<void>;
}

/** A kind of file. */
export interface FileFormat {
  /** What is written, one line. */
  summary: string;
  /** The kinds of pictures that it can hold. Others are not written in it. */
  kinds: readonly PixelKind[];
  /** Pixels of the picture's kind, or its I420 planes (`ToI420`). */
  reads: 'pixels' | 'i420';
  /** Only the first picture is read. */
  firstOnly?: boolean;
  /** @throws InputError for pictures that the encoder does not support, and on platforms without the encoder. */
  check?(options: PictureOptions): Promise<void>;
  /** @throws InputError as `check` does. */
  open(output: OutputFolder, options: PictureOptions): Promise<PictureWriter>;
}
