import { type Gpu, InputError } from '../../wgsl/core/index.ts';
import { ToRgba8 } from '../../wgsl/image/to-rgba8.ts';
import { SplatRenderer } from '../../wgsl/splat/renderer.ts';
import type { Camera, Vec3 } from '../artefacts/camera.ts';
import { FRAME_BYTES_PER_PIXEL, type Frame, type Frames, releaseFrames } from '../artefacts/frames.ts';
import type { Gaussians } from '../artefacts/gaussians.ts';
import type { Known } from '../stage.ts';

export interface RenderOptions {
  fps: number;
  background: Vec3;
  /** Memory limit of all frames together, GiB. */
  memory: number;
}

export type FrameList = 'frames' | 'before';

/** Called with each frame in order, `frames[list][index]`, once it is complete; later frames may be in flight. */
export type OnFrame = (frames: Frames, list: FrameList, index: number) => Promise<void>;

/** Frames in flight: the GPU has work while the host handles files. */
const MAX_IN_FLIGHT = 3;

/**
 * Renders the cameras, all of one size, of the splat and, if given, of the splat before restyling. The caller owns the frames
 * (`releaseFrames`). @throws InputError before allocating when they do not fit in memory.
 */
export async function renderFrames(
  gpu: Gpu,
  splats: { gaussians: Gaussians; base?: Gaussians },
  cameras: readonly Camera[],
  options: RenderOptions,
  onFrame: OnFrame = async () => {},
): Promise<Frames> {
  const { width, height } = cameras[0];
  const pixels = width * height;
  checkMemory(gpu.device.limits, { width, height }, cameras.length * (splats.base ? 2 : 1), options.memory);
  const renderer = await SplatRenderer.create(gpu, 'orbit/renderer');
  const toRgba8 = await ToRgba8.create(gpu, pixels);
  const arena = gpu.arena('orbit');
  const result: Frames = { fps: options.fps, frames: [], before: [] };
  const underWay: Promise<void>[] = [];
  const draw = async (list: FrameList, splat: Gaussians, picture: GPUBuffer) => {
    let complete = 0;
    const next = async () => {
      await underWay.shift();
      await onFrame(result, list, complete++);
    };
    for (const camera of cameras) {
      const name = String(result[list].length).padStart(4, '0');
      const frame = createFrame(gpu, list, name, camera);
      result[list].push(frame);
      const bound = toRgba8.bind(picture, frame.color);
      const target = { color: picture, depth: frame.depth };
      const { background } = options;
      const rendered = renderer.render(splat, camera, target, { background }, (recorder) =>
        toRgba8.record(recorder, bound),
      );
      // A failure is reported by `next`.
      rendered.catch(() => {});
      underWay.push(rendered);
      if (underWay.length === MAX_IN_FLIGHT) await next();
    }
    while (underWay.length) await next();
  };
  try {
    const picture = arena.buffer('picture', 16 * pixels);
    await draw('frames', splats.gaussians, picture);
    if (splats.base) await draw('before', splats.base, picture);
    await gpu.settle();
    return result;
  } catch (error) {
    await Promise.allSettled(underWay);
    releaseFrames(result);
    throw error;
  } finally {
    arena.destroy();
    renderer.destroy();
  }
}

function createFrame(gpu: Gpu, list: FrameList, name: string, camera: Camera): Frame {
  const owner = gpu.arena(`orbit/${list}/${name}`);
  const bytes = 4 * camera.width * camera.height;
  try {
    return { name, camera, color: owner.buffer('color', bytes), depth: owner.buffer('depth', bytes) };
  } catch (error) {
    owner.destroy();
    throw error;
  }
}

/**
 * Checks the size of one frame against the device, if one is open, and of all frames against the option. Call it before allocating.
 * @throws InputError
 */
export function checkMemory(
  limits: Known['limits'],
  { width, height }: { width: number; height: number },
  pictures: number,
  memory: number,
): void {
  const pixels = width * height;
  const largest = limits && Math.min(limits.maxBufferSize, limits.maxStorageBufferBindingSize);
  if (largest && 16 * pixels > largest) {
    throw new InputError(
      `orbit.size is too large: a picture of ${width}×${height} needs ${mib(16 * pixels)} in one buffer and this adapter allows ` +
        `${mib(largest)}; choose a smaller size`,
    );
  }
  const bytes = FRAME_BYTES_PER_PIXEL * pixels * pictures;
  if (bytes > memory * 2 ** 30) {
    throw new InputError(
      `orbit: ${pictures} pictures of ${width}×${height} need ${mib(bytes)} on the GPU and orbit.memory allows ` +
        `${mib(memory * 2 ** 30)}; lower orbit.frames or orbit.size, or raise orbit.memory where the GPU has more`,
    );
  }
}

const mib = (bytes: number) => `${Math.ceil(bytes / 2 ** 20)} MiB`;
