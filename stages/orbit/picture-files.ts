import { type Arena, type Gpu, Readback, type ReadbackPart } from '../../wgsl/core/index.ts';
import { i420Bytes, ToI420 } from '../../wgsl/image/to-i420.ts';
import { pixelBytes } from '../artefacts/png.ts';
import type { OutputFolder } from '../stage.ts';
import type { FileFormat, PictureOptions, PictureWriter } from './files/format.ts';
import { FILES, type FileName } from './files/index.ts';

interface Target {
  format: FileFormat;
  writer: PictureWriter;
}

/** Pictures that are read back and encoded while the GPU renders the next ones. */
const IN_FLIGHT = 4;

/**
 * Writes a sequence of pictures to files. The GPU converts a picture to the planes of a video. Readback and encoding overlap with
 * rendering, and only what is written is read back; pictures enter the files in order.
 */
export class PictureFiles {
  readonly #gpu: Gpu;
  readonly #options: PictureOptions;
  readonly #targets: readonly Target[];
  readonly #arena: Arena;
  readonly #readback: Readback;
  readonly #toI420?: ToI420;
  /** Planes on the GPU. The queue keeps the order, so all pictures share them. */
  readonly #planes?: GPUBuffer;
  /** Pictures in staging buffers, oldest first. */
  readonly #pending: Promise<void>[] = [];
  /** The last picture that was passed to the files. */
  #added: Promise<void> = Promise.resolve();
  #count = 0;

  private constructor(
    gpu: Gpu,
    options: PictureOptions,
    targets: readonly Target[],
    arena: Arena,
    toI420?: ToI420,
  ) {
    this.#gpu = gpu;
    this.#options = options;
    this.#targets = targets;
    this.#arena = arena;
    this.#toI420 = toI420;
    if (toI420) this.#planes = arena.buffer('planes', i420Bytes(options.width, options.height));
    this.#readback = new Readback(gpu, arena.label, { slots: IN_FLIGHT, purpose: 'frames' });
  }

  /** Opens those of the files that can hold the pictures. */
  static async create(
    gpu: Gpu,
    output: OutputFolder,
    options: PictureOptions,
    files: readonly FileName[],
  ): Promise<PictureFiles> {
    const arena = gpu.arena(`orbit/files/${options.stem}`);
    const targets: Target[] = [];
    try {
      for (const format of filesOf(options, files)) {
        targets.push({ format, writer: await format.open(output, options) });
      }
      const planar = targets.some(({ format }) => format.reads === 'i420');
      const toI420 = planar ? await ToI420.create(gpu, options.width, options.height) : undefined;
      return new PictureFiles(gpu, options, targets, arena, toI420);
    } catch (error) {
      for (const { writer } of targets) await writer.cancel();
      arena.destroy();
      throw error;
    }
  }

  /** Accepts a complete picture, which later submissions may overwrite. Waits only while too many are in flight. */
  async take(picture: GPUBuffer, name: string): Promise<void> {
    const first = this.#count++ === 0;
    const targets = this.#targets.filter(({ format }) => first || !format.firstOnly);
    const { kind, width, height } = this.#options;
    const parts: Partial<Record<FileFormat['reads'], ReadbackPart>> = {};
    for (const { format } of targets) {
      parts[format.reads] ??=
        format.reads === 'i420'
          ? this.#convert(picture)
          : { buffer: picture, bytes: pixelBytes(kind, width, height) };
    }
    if (!targets.length) return;
    if (this.#pending.length === IN_FLIGHT) await this.#pending.shift();
    const slot = (await this.#readback.capture(parts)) ?? (await this.#takeLater(parts));
    const added = this.#added;
    const encode = async () => {
      try {
        const read = await slot.read();
        await added;
        for (const { format, writer } of targets) await writer.add(read[format.reads], name);
      } finally {
        slot.release();
      }
    };
    const work = encode();
    // A failure is reported where the work is awaited.
    work.catch(() => {});
    this.#added = work;
    this.#pending.push(work);
  }

  /** Completes the files. */
  async finish(): Promise<void> {
    await Promise.all(this.#pending.splice(0));
    for (const { writer } of this.#targets) await writer.finish();
    this.#free();
  }

  /** Cleans up after a failure: waits for pending work and writes nothing more. */
  async cancel(): Promise<void> {
    await Promise.allSettled(this.#pending.splice(0));
    for (const { writer } of this.#targets) await writer.cancel();
    this.#free();
  }

  #free(): void {
    this.#readback.destroy();
    this.#arena.destroy();
  }

  #convert(picture: GPUBuffer): ReadbackPart {
    const { width, height } = this.#options;
    const [toI420, planes] = [this.#toI420!, this.#planes!];
    const bound = toI420.bind(picture, planes);
    this.#gpu.run('orbit/to-i420', (recorder) => toI420.record(recorder, bound));
    return { buffer: planes, bytes: i420Bytes(width, height) };
  }

  /** Retries after each copy in flight, while they occupy the staging. */
  async #takeLater(parts: Record<string, ReadbackPart>) {
    for (;;) {
      const oldest = this.#pending.shift();
      await oldest;
      const slot = await this.#readback.capture(parts);
      if (slot) return slot;
      if (!oldest) throw new Error('the staging has no room though no copy is in flight');
    }
  }
}

/** Those of the files that can hold such pictures. */
export function filesOf({ kind }: Pick<PictureOptions, 'kind'>, files: readonly FileName[]): FileFormat[] {
  return files.map((name): FileFormat => FILES[name]).filter(({ kinds }) => kinds.includes(kind));
}
