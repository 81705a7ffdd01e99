import { type FileHandle, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { type Gpu, InputError } from '../../wgsl/core/index.ts';
import type { Camera } from './camera.ts';
import { readSavedJson } from './json.ts';
import type { SavedPart } from './saved-part.ts';

/** One rendered frame, on the GPU. */
export interface Frame {
  /** File stem, e.g. `0007`. */
  name: string;
  camera: Camera;
  /**
   * u32 [H, W], rgba8 with r in the lowest byte, row-major, like photographs: rgb clamped and rounded half up, background
   * included, and alpha. PNG files, scores and saved frames use the same values.
   */
  color: GPUBuffer;
  /** f32 [H, W]: alpha-weighted mean camera z, world units; 0 where alpha is 0. */
  depth: GPUBuffer;
}

/** A rendered camera path. Neighbours in the list are neighbours on the path, unless it is `unordered`. */
export interface Frames {
  fps: number;
  /** Separate views instead of a path: nothing compares neighbours. */
  unordered?: true;
  /** The current splat (restyled, if a stylize stage ran). */
  frames: Frame[];
  /** The same cameras on the splat before restyling; empty if nothing restyled it. */
  before: Frame[];
}

/** GPU bytes per pixel: rgba8 colour and f32 depth. */
export const FRAME_BYTES_PER_PIXEL = 8;

/** Frees the frames' buffers. The frames must not be used afterwards; a second call does nothing. */
export function releaseFrames({ frames, before }: Frames): void {
  for (const { color, depth } of [...frames, ...before]) {
    color.destroy();
    depth.destroy();
  }
}

/*
 * The exact format of saved frames: `frames.json` has the cameras; `frames.bin` and `before.bin` have the frames in order,
 * each as its colour (u32 [H, W]) followed by its depth (f32 [H, W]), little-endian.
 */
const FORMAT = 'splatline frames 1';
const LISTS = ['frames', 'before'] as const;

const finite = z.number();
export const cameraSchema = z.strictObject({
  width: z.number().int().min(1).max(65536),
  height: z.number().int().min(1).max(65536),
  fx: finite,
  fy: finite,
  cx: finite,
  cy: finite,
  viewmat: z.array(finite).length(16).readonly(),
});
const list = z
  .array(z.strictObject({ name: z.string().regex(/^[\w-]{1,64}$/), camera: cameraSchema }))
  .max(100_000);
const header = z
  .strictObject({
    format: z.literal(FORMAT),
    fps: z.number().positive(),
    unordered: z.literal(true).optional(),
    frames: list.min(1, 'is empty; expected at least one frame'),
    before: list,
  })
  .refine(({ frames, before }) => !before.length || sizesOf(before) === sizesOf(frames), {
    path: ['before'],
    message: 'expected as many pictures as frames, of the same sizes, or none',
  });
const sizesOf = (frames: z.output<typeof list>) =>
  frames.map(({ camera: { width, height } }) => `${width}×${height}`).join();

/** Writes the frames into an empty folder, reading them back one at a time. Equal frames give equal bytes. */
export async function saveFrames(gpu: Gpu, frames: Frames, folder: string): Promise<void> {
  const names = (pictures: Frame[]) => pictures.map(({ name, camera }) => ({ name, camera }));
  const head = {
    format: FORMAT,
    fps: frames.fps,
    unordered: frames.unordered, // JSON leaves out what is undefined
    frames: names(frames.frames),
    before: names(frames.before),
  };
  await writeFile(join(folder, 'frames.json'), `${JSON.stringify(head, null, 1)}\n`);
  for (const which of LISTS) {
    const file = await open(join(folder, `${which}.bin`), 'w');
    try {
      for (const { camera, color, depth } of frames[which]) {
        const bytes = 4 * camera.width * camera.height;
        const both = await Promise.all(
          [color, depth].map((buffer) => gpu.read(buffer, 'checkpoints', bytes)),
        );
        for (const part of both) await file.writeFile(new Uint8Array(part));
      }
    } finally {
      await file.close();
    }
  }
}

/** Loads what `saveFrames` wrote. @throws InputError when a file is missing, damaged or of another length. */
export async function loadFrames(gpu: Gpu, folder: string): Promise<Frames> {
  const head = await readSavedJson(join(folder, 'frames.json'), header, 'orbit');
  const frames: Frames = { fps: head.fps, frames: [], before: [] };
  if (head.unordered) frames.unordered = true;
  try {
    for (const which of LISTS) {
      const path = join(folder, `${which}.bin`);
      const file = await open(path).catch((error: Error) =>
        damaged(path, `cannot be opened (${error.message})`),
      );
      try {
        const pixels = head[which].map(({ camera }) => camera.width * camera.height);
        const expected = FRAME_BYTES_PER_PIXEL * pixels.reduce((sum, count) => sum + count, 0);
        const { size } = await file.stat();
        if (size !== expected)
          damaged(path, `has ${size} bytes, and its ${pixels.length} frames take ${expected}`);
        for (const { name, camera } of head[which])
          frames[which].push(await readFrame(gpu, file, path, name, camera));
      } finally {
        await file.close();
      }
    }
    return frames;
  } catch (error) {
    releaseFrames(frames);
    throw error;
  }
}

/** Names and cameras of the frames in what `saveFrames` wrote, without those before restyling. */
export async function loadFrameCameras(folder: string): Promise<Pick<Frame, 'name' | 'camera'>[]> {
  return (await readSavedJson(join(folder, 'frames.json'), header, 'orbit')).frames;
}

/** Colour and depth of each frame in what `saveFrames` wrote: `frames 0007 color`. */
export async function framesParts(folder: string): Promise<SavedPart[]> {
  const head = await readSavedJson(join(folder, 'frames.json'), header, 'orbit');
  return LISTS.flatMap((which) => {
    let end = 0;
    return head[which].flatMap(({ name, camera }) =>
      ['color', 'depth'].map((plane) => {
        const start = end;
        end += 4 * camera.width * camera.height;
        return { name: `${which} ${name} ${plane}`, file: `${which}.bin`, start, end };
      }),
    );
  });
}

async function readFrame(
  gpu: Gpu,
  file: FileHandle,
  path: string,
  name: string,
  camera: Frame['camera'],
): Promise<Frame> {
  const plane = async () => {
    const bytes = new Uint8Array(4 * camera.width * camera.height);
    for (let done = 0; done < bytes.length; ) {
      const { bytesRead } = await file.read(bytes, done, bytes.length - done);
      if (!bytesRead) damaged(path, `ends inside frame ${name}`);
      done += bytesRead;
    }
    return bytes;
  };
  const [color, depth] = [await plane(), await plane()];
  const owner = gpu.arena(`frames/${name}`);
  try {
    return {
      name,
      camera,
      color: owner.upload('color', color, 'checkpoints'),
      depth: owner.upload('depth', depth, 'checkpoints'),
    };
  } catch (error) {
    owner.destroy();
    throw error;
  }
}

/** @throws InputError for a saved turntable. */
export function damaged(path: string, found: string): never {
  throw new InputError(`${found}; the saved file is damaged: run again from the orbit stage`, path);
}
