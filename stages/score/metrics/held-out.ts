import type { Arena, Gpu } from '../../../wgsl/core/index.ts';
import { EXPOSURE_FLOATS, Exposure } from '../../../wgsl/image/exposure.ts';
import { ExposureFit } from '../../../wgsl/image/exposure-fit.ts';
import { PhotometricMetrics, psnr } from '../../../wgsl/image/photometric-metrics.ts';
import { SplatRenderer } from '../../../wgsl/splat/renderer.ts';
import { alphaOf, largestView, type View } from '../../artefacts/dataset.ts';
import type { Gaussians } from '../../artefacts/gaussians.ts';
import { HELD_OUT_FILE, type HeldOutView } from '../../artefacts/held-out-views.ts';
import { HeldOutPictures } from '../held-out-pictures.ts';
import { countOf, type Measured, type Metric, type MetricInput, mean, score } from './metric.ts';

/**
 * One held-out view: colours clamped to 0–1 and not rounded, against the photograph, without masked pixels. Undefined where nothing is
 * compared: the picture is masked everywhere, or in every window of SSIM.
 */
interface Fidelity {
  psnr?: number;
  ssim?: number;
}

interface HeldOut {
  now: Fidelity[];
  /** The splat before any restyling, through the exposure that fits each photograph best; empty if training learnt no exposures. */
  exposed: Fidelity[];
  /** The splat before restyling; empty if nothing restyled it. */
  before: Fidelity[];
}

/** Lower bound of the MSE (100 dB), so that the PSNR of equal pictures is finite. */
const MIN_MSE = 1e-10;

/**
 * PSNR or SSIM: the mean over the held-out views, for the splat and for the splat before restyling; where training learnt exposures, also
 * through the exposure that fits each photograph best.
 */
export async function measureHeldOut(
  input: MetricInput,
  metric: { name: keyof Fidelity; unit: string },
): Promise<Measured> {
  const views = input.scene.dataset.views.filter(({ split, image }) => split === 'test' && image);
  if (!views.length) return { skipped: 'there are no held-out photographs (load.holdout)' };
  const { now, exposed, before } = await input.share('held-out', () => compareWithPhotos(input, views));
  const values = (fidelities: Fidelity[]) => fidelities.flatMap((one) => one[metric.name] ?? []);
  const compared = values(now).length;
  if (!compared) return { skipped: 'masks cover all held-out photographs' };
  const masked = alphaOf(views) === 'mask' ? ', without masked pixels' : '';
  const over = countOf(compared, 'held-out view') + masked;
  const scoreOf = (fidelities: Fidelity[], suffix: string, note: string) =>
    score(metric.name + suffix, mean(values(fidelities)), metric.unit, over + note);
  const suffix = before.length ? '.exposure.before' : '.exposure';
  return [
    scoreOf(now, '', ''),
    ...(before.length ? [scoreOf(before, '.before', ', before restyling')] : []),
    ...(exposed.length ? [scoreOf(exposed, suffix, ', exposure fitted to each')] : []),
  ];
}

async function compareWithPhotos(input: MetricInput, views: View[]): Promise<HeldOut> {
  const { gpu, scene, settings, records } = input;
  const arena = gpu.arena('score/held-out');
  const renderer = await SplatRenderer.create(gpu, 'score/renderer');
  try {
    const { width, height } = largestView(views);
    const render = arena.buffer('render', 16 * width * height);
    const alpha = alphaOf(views);
    const words = alpha === 'mask' ? 6 : 4;
    const metrics = arena.buffer('metrics', 4 * words);
    const results = arena.buffer('results', 4 * words * views.length);
    const engine = await PhotometricMetrics.create(gpu, arena, {
      label: 'photo',
      width,
      height,
      render,
      metrics,
      alpha,
    });
    const { background } = settings;
    const bound = views.map(({ image, camera: { width, height } }) =>
      engine.bindPhoto(image!, { width, height, background }),
    );
    const pictures = records && new HeldOutPictures(arena, records, { width, height }, background);
    const renders = { now: [] as string[], before: [] as string[] };
    const compare = async (
      splat: Gaussians,
      { shown, expose }: { shown?: keyof typeof renders; expose?(view: View): Promise<void> },
    ): Promise<Fidelity[]> => {
      for (const [i, view] of views.entries()) {
        const { camera } = view;
        await renderer.render(splat, camera, { color: render }, { background });
        await expose?.(view);
        gpu.run('score/held-out', (recorder) => {
          engine.record(recorder, bound[i]);
          recorder.copy(metrics, results, 4 * words, 0, 4 * words * i);
        });
        if (pictures && shown)
          renders[shown].push(await pictures.saveRender(`${i}-${shown}`, render, camera));
      }
      const floats = await gpu.readFloats(results, 'metrics', words * views.length);
      return views.map((_, i) => {
        const [, ssim, mse, , pixels, windows] = floats.subarray(words * i, words * (i + 1));
        return {
          psnr: pixels === 0 ? undefined : psnr(Math.max(MIN_MSE, mse)),
          ssim: windows === 0 ? undefined : ssim,
        };
      });
    };
    const now = await compare(scene.gaussians, { shown: 'now' });
    // Restyling changes colours by design, and a fit would undo it.
    const photographic = scene.base ?? scene.gaussians;
    const exposed = scene.exposures
      ? await compare(photographic, {
          expose: await exposing(gpu, arena, { render, pixels: width * height, masked: alpha === 'mask' }),
        })
      : [];
    const before = scene.base ? await compare(scene.base, { shown: 'before' }) : [];
    if (pictures) {
      const rows: HeldOutView[] = [];
      for (const [i, { name, image, camera }] of views.entries()) {
        const photograph = await pictures.savePhotograph(`${i}-photograph`, image!, camera);
        const side = (which: keyof typeof renders, fidelity: Fidelity) => {
          return { ...fidelity, render: renders[which][i] };
        };
        rows.push({
          ...{ name, photograph },
          now: side('now', now[i]),
          ...(before.length && { before: side('before', before[i]) }),
        });
      }
      await records!.write(HELD_OUT_FILE, `${JSON.stringify(rows, null, 1)}\n`);
    }
    return { now, exposed, before };
  } finally {
    renderer.destroy();
    arena.destroy();
  }
}

/** Fits an exposure to a view's photograph, and applies it to the render. */
async function exposing(
  gpu: Gpu,
  arena: Arena,
  { render, pixels, masked }: { render: GPUBuffer; pixels: number; masked: boolean },
): Promise<(view: View) => Promise<void>> {
  const exposures = arena.buffer('exposure', 4 * EXPOSURE_FLOATS);
  const exposed = arena.buffer('exposed', 16 * pixels);
  const options = { label: 'exposure', pixels, exposures, color: render, exposed };
  const exposure = await Exposure.create(gpu, arena, options);
  const fit = await ExposureFit.create(gpu, arena, { ...options, view: exposure.view, masked });
  return async ({ image, camera }) => {
    const own = camera.width * camera.height;
    exposure.setView(0, own);
    gpu.write(exposures, await fit.fit(image!), 'parameters');
    gpu.run('score/exposure', (recorder) => {
      exposure.record(recorder);
      recorder.copy(exposed, render, 16 * own);
    });
  };
}

/** −10·log10 of the mean squared error over pixels and channels; mean over views. */
export const psnrMetric: Metric = {
  name: 'psnr',
  summary: 'peak signal-to-noise ratio on the held-out views',
  meaning:
    'How close renders of the held-out views come to their photographs: from 30 dB on differences are hard to see.',
  measure: (input) => measureHeldOut(input, { name: 'psnr', unit: 'dB' }),
};

/** Structural similarity (Wang et al. 2004): 11×11 Gaussian window, σ 1.5, windows wholly inside; mean over views. */
export const ssimMetric: Metric = {
  name: 'ssim',
  summary: 'structural similarity on the held-out views',
  meaning: 'How alike renders and photographs are in local contrast and detail: 1 is equal.',
  measure: (input) => measureHeldOut(input, { name: 'ssim', unit: '1' }),
};
