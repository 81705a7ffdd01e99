import { PhotometricMetrics, psnr } from '../../../wgsl/image/photometric-metrics.ts';
import { SplatRenderer } from '../../../wgsl/splat/renderer.ts';
import { largestView, type View } from '../../artefacts/dataset.ts';
import type { Gaussians } from '../../artefacts/gaussians.ts';
import { countOf, type Measured, type Metric, type MetricInput, mean, score } from './metric.ts';

/** One held-out view: colours clamped to 0–1 and not rounded, against the photograph. */
interface Fidelity {
  psnr: number;
  ssim: number;
}

interface HeldOut {
  now: Fidelity[];
  /** The splat before restyling; empty if nothing restyled it. */
  before: Fidelity[];
}

/** Lower bound of the MSE (100 dB), so that the PSNR of equal pictures is finite. */
const MIN_MSE = 1e-10;

/** PSNR or SSIM: the mean over the held-out views, for the splat and for the splat before restyling. */
export async function measureHeldOut(
  input: MetricInput,
  metric: { name: keyof Fidelity; unit: string },
): Promise<Measured> {
  const views = input.scene.dataset.views.filter(({ split, image }) => split === 'test' && image);
  if (!views.length) return { skipped: 'there are no held-out photographs (load.holdout)' };
  const { now, before } = await input.share('held-out', () => compareWithPhotos(input, views));
  const over = countOf(views.length, 'held-out view');
  const scoreOf = (fidelities: Fidelity[], suffix: string, note: string) =>
    score(metric.name + suffix, mean(fidelities.map((one) => one[metric.name])), metric.unit, over + note);
  return [scoreOf(now, '', ''), ...(before.length ? [scoreOf(before, '.before', ', before restyling')] : [])];
}

async function compareWithPhotos(input: MetricInput, views: View[]): Promise<HeldOut> {
  const { gpu, scene, settings } = input;
  const arena = gpu.arena('score/held-out');
  const renderer = await SplatRenderer.create(gpu, 'score/renderer');
  try {
    const { width, height } = largestView(views);
    const render = arena.buffer('render', 16 * width * height);
    const metrics = arena.buffer('metrics', 16);
    const results = arena.buffer('results', 16 * views.length);
    const engine = await PhotometricMetrics.create(gpu, arena, {
      label: 'photo',
      width,
      height,
      render,
      metrics,
    });
    const bound = views.map(({ image, camera }) => engine.bindPhoto(image!, camera));
    const compare = async (splat: Gaussians): Promise<Fidelity[]> => {
      for (const [i, { camera }] of views.entries()) {
        await renderer.render(splat, camera, { color: render }, { background: settings.background });
        gpu.run('score/held-out', (recorder) => {
          engine.record(recorder, bound[i]);
          recorder.copy(metrics, results, 16, 0, 16 * i);
        });
      }
      const floats = await gpu.readFloats(results, 'metrics', 4 * views.length);
      return views.map((_, i) => ({
        psnr: psnr(Math.max(MIN_MSE, floats[4 * i + 2])),
        ssim: floats[4 * i + 1],
      }));
    };
    return { now: await compare(scene.gaussians), before: scene.base ? await compare(scene.base) : [] };
  } finally {
    renderer.destroy();
    arena.destroy();
  }
}

/** −10·log10 of the mean squared error over pixels and channels; mean over views. */
export const psnrMetric: Metric = {
  name: 'psnr',
  summary: 'peak signal-to-noise ratio on the held-out views',
  measure: (input) => measureHeldOut(input, { name: 'psnr', unit: 'dB' }),
};

/** Structural similarity (Wang et al. 2004): 11×11 Gaussian window, σ 1.5, windows wholly inside; mean over views. */
export const ssimMetric: Metric = {
  name: 'ssim',
  summary: 'structural similarity on the held-out views',
  measure: (input) => measureHeldOut(input, { name: 'ssim', unit: '1' }),
};
