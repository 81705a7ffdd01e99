import type { Gpu } from '../../wgsl/core/index.ts';
import { backgroundColor } from '../artefacts/background.ts';
import type { Dataset } from '../artefacts/dataset.ts';
import { type Frames, releaseFrames } from '../artefacts/frames.ts';
import type { Gaussians } from '../artefacts/gaussians.ts';
import { type Poses, withPoses } from '../artefacts/poses.ts';
import { defineStage, type Report, type StageSettings, silent } from '../stage.ts';
import {
  type OrbitInput,
  type OrbitOptions,
  orbitOptions,
  photographAspect,
  pictureSize,
  WIDE,
} from './options.ts';
import { checkOutputs, OutputFiles } from './output-files.ts';
import { OUTPUTS } from './outputs/index.ts';
import type { FrameOutput } from './outputs/output.ts';
import { pathDrawing } from './path-drawing.ts';
import { chosenPath } from './paths/index.ts';
import type { PathCameras } from './paths/path.ts';
import { checkMemory, renderFrames } from './render-frames.ts';

export type { OrbitInput } from './options.ts';

export interface OrbitScene {
  dataset: Dataset;
  gaussians: Gaussians;
  /** The splat before restyling; its frames become `Frames.before`. */
  base?: Gaussians;
  /** Of the training views, in place of the dataset's. */
  poses?: Poses;
}

/** The stage: a camera path around the splat as frames on the GPU, PNG files and a video. */
export const orbitStage = defineStage({
  name: 'orbit',
  module: import.meta.url,
  summary: 'Renders a camera path into pictures and videos',
  options: orbitOptions,
  needs: ['dataset', 'gaussians'],
  uses: ['base', 'poses'],
  gives: ['frames'],
  async preflight({ path: option, size, memory, ...writing }, { limits, aspect = WIDE, restyled } = {}) {
    const { path, options } = chosenPath(option);
    const madeFor = await path.check?.(options);
    // Photographs may differ in size from their calibration: the run checks the actual size again.
    const picture = pictureSize(size, madeFor?.aspect ?? aspect);
    const frames = madeFor?.frames ?? writing.frames;
    checkMemory(limits, picture, frames * (restyled ? 2 : 1), memory);
    await checkOutputs({ ...picture, ...writing });
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
  { poses, ...captured }: OrbitScene,
  given: OrbitInput = {},
  { report = silent, output }: StageSettings = {},
): Promise<Frames> {
  const options = orbitOptions.parse(given);
  const scene = { ...captured, dataset: withPoses(captured.dataset, poses) };
  const { fps, bitrate, memory } = options;
  const background = backgroundColor(options.background);
  const { cameras, unordered } = await pathCameras(gpu, scene, options, report);
  const { width, height } = cameras[0];
  const outputs = options.outputs.filter((name) => {
    const row: FrameOutput = OUTPUTS[name];
    if (!row.needsBefore || scene.base) return true;
    report.warn(`${name} is not written: no stage restyled the splat`);
    return false;
  });
  const writing = { outputs, files: options.files, width, height, fps, bitrate, background };
  if (output) await checkOutputs(writing);
  const files = output && new OutputFiles(gpu, output, scene.gaussians, writing);
  await output?.write('path.svg', pathDrawing(scene.dataset, cameras));
  const steps = cameras.length * ((scene.base ? 2 : 1) + (files?.later ?? 0));
  let step = 0;
  const advance = () => report.progress({ step: ++step, steps });
  let frames: Frames | undefined;
  try {
    frames = await renderFrames(
      gpu,
      scene,
      cameras,
      { fps, background, memory },
      async (soFar, list, index) => {
        await files?.take(soFar, list, index);
        advance();
      },
    );
    if (unordered) frames.unordered = true;
    await files?.finish(frames, advance);
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
  { path: option, frames, size, zoom }: OrbitOptions,
  report: Report,
): Promise<PathCameras> {
  const { path, options } = chosenPath(option);
  const aspect = (await path.check?.(options))?.aspect ?? photographAspect(scene.dataset) ?? WIDE;
  const picture = { frames, ...pictureSize(size, aspect) };
  const { cameras, unordered } = await path.cameras({ gpu, scene, picture, report }, options);
  const zoomed = cameras.map((camera) => ({ ...camera, fx: zoom * camera.fx, fy: zoom * camera.fy }));
  return { cameras: zoomed, unordered };
}
