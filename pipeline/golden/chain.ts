import { join, parse } from 'node:path';
import type { Camera, Vec3 } from '../../stages/artefacts/camera.ts';
import { loadFrameCameras, releaseFrames } from '../../stages/artefacts/frames.ts';
import { releaseGaussians } from '../../stages/artefacts/gaussians.ts';
import { loadGaussians } from '../../stages/artefacts/gaussians-file.ts';
import { renderFrames } from '../../stages/orbit/render-frames.ts';
import { type Gpu, InputError } from '../../wgsl/core/index.ts';
import type { Plan } from '../file/plan.ts';
import { readManifest } from '../run/manifest.ts';
import { STAGES } from '../run/run-folder.ts';
import { type RunOptions, runPlan } from '../run/runner.ts';
import { type Picture, pictureHash, readPicture, withoutAlpha } from './picture.ts';
import type { Golden } from './recording.ts';

/**
 * The last stage that produces a splat and the last that renders a turntable. A source stage does not count: it reads the
 * user's splat, which no run stores. @throws InputError for a pipeline without one of them.
 */
export function comparedStages(plan: Plan) {
  const [splat, turntable] = (['gaussians', 'frames'] as const).map((artefact) =>
    plan.stages.findLast(({ stage }) => stage.gives.includes(artefact) && !stage.source),
  );
  if (splat && turntable) return { splat, turntable };
  const lacking = splat
    ? 'renders a turntable: add orbit'
    : 'produces a splat: add init and train, or stylize';
  const ids = plan.stages.map(({ id }) => id).join(', ');
  throw new InputError(`golden renders need a stage that ${lacking} (found ${ids})`, plan.stages[0]?.place);
}

/** The results of a run that golden renders compare. */
export type ChainResult = Awaited<ReturnType<typeof runChain>>;

/** Runs the pipeline on the given device and reads its results. */
export async function runChain(gpu: Gpu, plan: Plan, options: Omit<RunOptions, 'gpu'>) {
  const { splat, turntable } = comparedStages(plan);
  const { out } = await runPlan(plan, { ...options, gpu });
  const { manifest } = await readManifest(out);
  const frames: Golden['chain']['frames'] = [];
  for (const path of manifest.files.map(({ path }) => path).sort())
    if (/^frames\/[^/]+\.png$/.test(path))
      frames.push({ name: parse(path).name, sha256: pictureHash(await readPicture(join(out, path))) });
  return {
    /** The last splat: its stage, and its safetensors file in the run's folder. */
    splat: { stage: splat.id, file: join(out, STAGES, splat.id, 'gaussians', 'gaussians.safetensors') },
    tensors: manifest.stages.flatMap(({ id, parts }) =>
      Object.entries(parts.gaussians ?? {}).map(([tensor, sha256]) => ({ stage: id, tensor, sha256 })),
    ),
    frames,
    /** Of the turntable. */
    cameras: await loadFrameCameras(join(out, STAGES, turntable.id, 'frames')),
    scores: manifest.scores ?? [],
  };
}

/** Renders the splat of a safetensors file as a turntable does, in the order of the cameras. */
export async function renderView(
  gpu: Gpu,
  splat: string,
  { cameras, background }: { cameras: readonly Camera[]; background: Vec3 },
): Promise<{ count: number; pictures: Picture[] }> {
  const gaussians = await loadGaussians(gpu, splat);
  const options = { fps: 1, background, memory: Number.POSITIVE_INFINITY };
  const pictures: Picture[] = [];
  for (const camera of cameras) {
    const { width, height } = camera;
    const rendered = await renderFrames(gpu, { gaussians }, [camera], options); // one by one: sizes may differ
    const rgba = await gpu.read(rendered.frames[0].color, 'frames', 4 * width * height);
    releaseFrames(rendered);
    pictures.push({ width, height, rgb: withoutAlpha(new Uint8Array(rgba)) });
  }
  releaseGaussians(gaussians);
  return { count: gaussians.count, pictures };
}
