import { readFile } from 'node:fs/promises';
import { dirname, relative } from 'node:path';
import { backgroundColor } from '../../stages/artefacts/background.ts';
import { resizeCamera } from '../../stages/artefacts/camera.ts';
import type { Score } from '../../stages/artefacts/scores.ts';
import { stages } from '../../stages/index.ts';
import type { OrbitOptions } from '../../stages/orbit/options.ts';
import { chosenPath } from '../../stages/orbit/paths/index.ts';
import { readPipeline } from '../file/read.ts';
import { hashFile } from '../hash.ts';
import { openDevice } from '../open-device.ts';
import type { RunOptions } from '../run/runner.ts';
import { comparedStages, renderView, runChain } from './chain.ts';
import { encodePicture, pictureHash } from './picture.ts';
import {
  GOLDEN,
  type Golden,
  type GoldenScore,
  type NamedCamera,
  replaceGolden,
  versions,
} from './recording.ts';

export interface RecordOptions extends Pick<RunOptions, 'out' | 'store' | 'adapter' | 'signal' | 'onEvent'> {
  /** `STAGE.OPTION=VALUE`; recorded, and repeated by every check. */
  set: readonly string[];
  /** The cell of a file with a matrix, as `readPipeline` takes it; every check repeats it. */
  cell?: string;
  /** Number of golden frames. */
  frames: number;
  /** Longer side of a golden frame, pixels. */
  size: number;
}

/** The tolerance of golden frames. Other arithmetic changes some channels by one level, and the mean by 0.0001. */
export const TOLERANCE = { max: 8, mean: 0.02, ssim: 0.999 };

/**
 * Runs the pipeline and stores golden renders beside its file. After a failure an older recording is unchanged.
 * @throws InputError when the pipeline produces no splat or no turntable.
 */
export async function recordGolden(file: string, options: RecordOptions) {
  const { set, cell, adapter, out, store, signal, onEvent } = options;
  const plan = await readPipeline(file, { set, cell, registry: stages });
  const text = await readFile(file);
  const orbit = comparedStages(plan).turntable.options as OrbitOptions;
  const gpu = await openDevice({ adapter });
  try {
    const { splat, cameras, scores, ...chain } = await runChain(gpu, plan, { out, store, signal, onEvent });
    const bytes = await readFile(splat.file);
    const frames = chooseCameras(cameras, options.frames, options.size);
    const background = backgroundColor(orbit.background);
    const view = { cameras: frames.map(({ camera }) => camera), background };
    const { count, pictures } = await renderView(gpu, splat.file, view);
    const golden: Golden = {
      format: 'splatline golden 1',
      set: [...set],
      cwd: set.length ? relative(dirname(file), process.cwd()) || '.' : '.',
      cell, // JSON leaves out what is undefined
      versions: await versions(),
      adapter: { ...gpu.adapter },
      splat: { stage: splat.stage, count, ...(await hashFile(splat.file)) },
      background: [...background],
      frames: frames.map(({ name, camera }, i) => ({ name, sha256: pictureHash(pictures[i]), camera })),
      tolerance: TOLERANCE,
      chain: {
        ...chain,
        // A path that depends on the splat depends on training.
        cameras: chosenPath(orbit.path).path.usesSplat ? undefined : cameras,
        scores: scores.map((score) => ({ ...score, bound: boundOf(score) })),
      },
    };
    const pngs = frames.map(({ name }, i) => [`${GOLDEN.frames}/${name}.png`, encodePicture(pictures[i])]);
    const files = { [GOLDEN.splat]: bytes, [GOLDEN.pipeline]: text, ...Object.fromEntries(pngs) };
    return { folder: await replaceGolden(file, golden, files), golden };
  } finally {
    gpu.close();
  }
}

/** SSIM's window is 11 pixels wide. */
const MIN_SIDE = 16;

/** `count` cameras of a turntable at even distances, scaled down to a longer side of `size` pixels. */
export function chooseCameras(turntable: readonly NamedCamera[], count: number, size: number): NamedCamera[] {
  const length = Math.min(count, turntable.length);
  return Array.from({ length }, (_, i) => {
    const { name, camera } = turntable[Math.floor((i * turntable.length) / length)];
    const scale = Math.min(1, size / Math.max(camera.width, camera.height));
    const [width, height] = [camera.width, camera.height].map((side) =>
      Math.max(MIN_SIDE, Math.round(side * scale)),
    );
    return { name: `turntable-${name}`, camera: resizeCamera(camera, width, height) };
  });
}

/** The largest difference of a score on another adapter: 0.5 dB, otherwise 5 % (of a cosine at least 0.0025). */
export function boundOf({ value, unit }: Score): GoldenScore['bound'] {
  if (unit === 'dB') return 0.5;
  const min = unit === '100·cosine' ? 0.25 : 0;
  return Number(Math.max(min, 0.05 * Math.abs(value)).toFixed(6));
}
