import type { Gpu } from '../../wgsl/core/index.ts';
import { backgroundColor } from '../artefacts/background.ts';
import type { Camera } from '../artefacts/camera.ts';
import type { Dataset } from '../artefacts/dataset.ts';
import { type Frames, releaseFrames } from '../artefacts/frames.ts';
import type { Gaussians } from '../artefacts/gaussians.ts';
import { defineStage, type Report, type StageSettings, silent } from '../stage.ts';
import { FrameFiles } from './frame-files.ts';
import { type OrbitInput, type OrbitOptions, orbitOptions } from './options.ts';
import { chosenPath } from './paths/index.ts';
import { checkBudget, renderFrames } from './render-frames.ts';
import { checkVideo } from './video.ts';

export type { OrbitInput } from './options.ts';

export interface OrbitScene {
  dataset: Dataset;
  gaussians: Gaussians;
  /** The splat before restyling; its frames become `Frames.before`. */
  base?: Gaussians;
}

/** The stage: a camera path around the splat as frames on the GPU, PNG files and a video. */
export const orbitStage = defineStage({
  name: 'orbit',
  module: import.meta.url,
  summary: 'Renders a camera path into frames/*.png and turntable.mp4',
  options: orbitOptions,
  needs: ['dataset', 'gaussians'],
  uses: ['base'],
  gives: ['frames'],
  async preflight({ path: option, size: [width, height], frames, fps, bitrate, video, compare, memory }) {
    const { path, options } = chosenPath(option);
    await path.check?.(options);
    checkBudget(width * height, frames, memory);
    if (video) await checkVideo({ width, height, fps, bitrate });
    if (compare) await checkVideo({ width: 2 * width, height, fps, bitrate });
  },
  run: async (...args) => ({ frames: await orbit(...args) }),
});

/**
 * Renders the splat along a camera path. Without `output` no file is written and no pixel leaves the GPU. The caller owns the frames
 * (`releaseFrames`).
 *
 * @throws InputError when the frames do not fit in memory or the scene has no such path.
 */
export async function orbit(
  gpu: Gpu,
  scene: OrbitScene,
  given: OrbitInput = {},
  { report = silent, output }: StageSettings = {},
): Promise<Frames> {
  const options = orbitOptions.parse(given);
  const [width, height] = options.size;
  const { fps, bitrate, pictures, video, memory } = options;
  const background = backgroundColor(options.background);
  const cameras = await pathCameras(gpu, scene, options, report);
  if (options.compare && !scene.base) {
    report.warn('compare.mp4 is not written: no stage restyled the splat');
  }
  const compare = options.compare && Boolean(scene.base);
  const files =
    output &&
    (await FrameFiles.create(gpu, output, { width, height, fps, bitrate, pictures, video, compare }));
  const steps = cameras.length * (scene.base ? 2 : 1);
  let frames: Frames | undefined;
  try {
    frames = await renderFrames(
      gpu,
      scene,
      cameras,
      { fps, background, memory },
      async (soFar, list, index) => {
        await files?.take(soFar, list, index);
        report.progress({ step: index + 1 + (list === 'before' ? cameras.length : 0), steps });
      },
    );
    await files?.finish();
    return frames;
  } catch (error) {
    await files?.cancel();
    if (frames) releaseFrames(frames);
    throw error;
  }
}

/** The cameras of the frames, along the path, with the focal length that `zoom` gives. */
async function pathCameras(
  gpu: Gpu,
  scene: OrbitScene,
  { path: option, frames, size: [width, height], zoom }: OrbitOptions,
  report: Report,
): Promise<Camera[]> {
  const { path, options } = chosenPath(option);
  const { cameras } = await path.cameras({ gpu, scene, picture: { frames, width, height }, report }, options);
  return cameras.map((camera) => ({ ...camera, fx: zoom * camera.fx, fy: zoom * camera.fy }));
}
