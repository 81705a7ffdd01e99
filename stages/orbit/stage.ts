import type { Gpu } from '../../wgsl/core/index.ts';
import { backgroundColor } from '../artefacts/background.ts';
import type { Camera } from '../artefacts/camera.ts';
import type { Dataset, View } from '../artefacts/dataset.ts';
import { type Frames, releaseFrames } from '../artefacts/frames.ts';
import type { Gaussians } from '../artefacts/gaussians.ts';
import { defineStage, type Report, type StageSettings, silent } from '../stage.ts';
import { boundsRing } from './bounds.ts';
import { FrameFiles } from './frame-files.ts';
import { type OrbitInput, type OrbitOptions, orbitOptions } from './options.ts';
import { checkBudget, renderFrames } from './render-frames.ts';
import { fitRing, type Ring, ringCameras } from './ring.ts';
import { checkVideo } from './video.ts';

export type { OrbitInput } from './options.ts';

export interface OrbitScene {
  dataset: Dataset;
  gaussians: Gaussians;
  /** The splat before restyling; its frames become `Frames.before`. */
  base?: Gaussians;
}

/** The stage: a turntable of the splat as frames on the GPU, PNG files and a video. */
export const orbitStage = defineStage({
  name: 'orbit',
  module: import.meta.url,
  summary: 'Renders a turntable into frames/*.png and turntable.mp4',
  options: orbitOptions,
  needs: ['dataset', 'gaussians'],
  uses: ['base'],
  gives: ['frames'],
  async preflight({ size: [width, height], frames, fps, bitrate, video, compare, memory }) {
    checkBudget(width * height, frames, memory);
    if (video) await checkVideo({ width, height, fps, bitrate });
    if (compare) await checkVideo({ width: 2 * width, height, fps, bitrate });
  },
  run: async (...args) => ({ frames: await orbit(...args) }),
});

/**
 * Renders a turntable. Without `output` no file is written and no pixel leaves the GPU. The caller owns the frames
 * (`releaseFrames`).
 *
 * @throws InputError when the frames do not fit in memory or the cameras define no path.
 */
export async function orbit(
  gpu: Gpu,
  scene: OrbitScene,
  given: OrbitInput = {},
  { report = silent, output }: StageSettings = {},
): Promise<Frames> {
  const options = orbitOptions.parse(given);
  const [width, height] = options.size;
  const { fps, bitrate, pictures, video, zoom, memory } = options;
  const background = backgroundColor(options.background);
  const cameras = ringCameras(await chooseRing(gpu, scene, options, report), {
    frames: options.frames,
    width,
    height,
    zoom,
  });
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

/** Synthetic views around a splat do not imply unseen sides: `auto` is then a full turn. */
function turnOf({ turn }: OrbitOptions, views: readonly View[]): OrbitOptions['turn'] {
  return turn === 'auto' && !views.some(({ image }) => image) ? 'full' : turn;
}

async function chooseRing(gpu: Gpu, scene: OrbitScene, options: OrbitOptions, report: Report): Promise<Ring> {
  const { views, up, center, extent } = scene.dataset;
  const cameras: Camera[] = views.filter(({ split }) => split === 'train').map(({ camera }) => camera);
  const ring =
    options.path === 'bounds'
      ? await boundsRing(gpu, scene.gaussians, { up, cameras })
      : fitRing({ cameras, up, center, extent }, turnOf(options, views));
  const degrees = Math.round((ring.arc * 180) / Math.PI);
  const kind =
    degrees >= 360 ? 'a full turn' : `a swing of ${degrees}°, the arc that the training cameras cover`;
  report.note(
    `${kind}, radius ${ring.radius.toPrecision(3)}, ${options.frames} frames of ${options.size.join('×')}`,
  );
  return ring;
}
