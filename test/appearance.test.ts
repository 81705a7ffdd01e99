/** Training that learns exposures and poses of the photographs: what comes back of the exposures, and that it resumes to the same bytes. */
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Dataset, releaseDataset } from '../stages/artefacts/dataset.ts';
import { formatExposures } from '../stages/artefacts/exposures.ts';
import { releaseGaussians } from '../stages/artefacts/gaussians.ts';
import { formatPoses, withPoses } from '../stages/artefacts/poses.ts';
import { Stopped } from '../stages/checkpoints.ts';
import { init } from '../stages/init/stage.ts';
import { load } from '../stages/load/stage.ts';
import { score } from '../stages/score/stage.ts';
import type { StageSettings } from '../stages/stage.ts';
import type { TrainInput } from '../stages/train/options.ts';
import { trainScene, trainStage } from '../stages/train/stage.ts';
import { type Gpu, random4 } from '../wgsl/core/index.ts';
import { type Bytes, bytesOf, MemoryStore, startOf, stoppingAt, storeOf } from './helpers/checkpoints.ts';
import { withGpu } from './helpers/gpu.ts';
import { mixed } from './helpers/numbers.ts';
import { throwsInput } from './helpers/throws.ts';
import { ringDataset } from './helpers/tiny-scene.ts';

const PLAYBOT = fileURLToPath(new URL('../scenes/playbot/', import.meta.url));

/** Darkens each photograph by its own factor per channel, and returns the factors by name. */
async function darken(gpu: Gpu, { views }: Dataset): Promise<Map<string, number[]>> {
  const gains = new Map<string, number[]>();
  for (const [i, { name, image }] of views.entries()) {
    const [r, g, b, all] = random4(3, 'noise', 0, i);
    const gain = [r, g, b].map((value) => 0.55 + 0.35 * all + 0.2 * (value - 0.5));
    const words = new Uint32Array(await gpu.read(image!, 'test'));
    const darker = words.map((word) =>
      gain.reduce(
        (out, factor, c) => (out | (Math.round(((word >>> (8 * c)) & 255) * factor) << (8 * c))) >>> 0,
        word & 0xff000000,
      ),
    );
    gpu.write(image!, darker, 'test');
    gains.set(name, gain);
  }
  return gains;
}

function deviation(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}

test('playbot, each photograph darkened by its own factors: they come back, and held-out views fit better', () =>
  withGpu(async (gpu) => {
    const { dataset } = await load(gpu, {}, { colmap: PLAYBOT, downscale: 8 });
    const gains = await darken(gpu, dataset);
    const scored = async (exposure: boolean) => {
      const gaussians = await init(gpu, { dataset }, { shDegree: 1 });
      const options: TrainInput = {
        steps: 300,
        cap: 5000,
        background: 'white',
        exposure,
        rates: { exposure: 0.03 },
      };
      const trained = await trainScene(gpu, { dataset, gaussians }, options);
      const scene = { exposures: { views: [] }, ...trained, dataset };
      const { scores } = await score(gpu, scene, { metrics: ['psnr', 'ssim'], background: 'white' });
      const plain = await score(
        gpu,
        { ...scene, exposures: undefined },
        { metrics: ['psnr'], background: 'white' },
      );
      releaseGaussians(trained.gaussians);
      releaseGaussians(gaussians);
      assert.equal(
        scores.map(({ name }) => name),
        ['psnr', 'psnr.exposure', 'ssim', 'ssim.exposure'],
      );
      assert.equal(plain.scores, [scores[0]]);
      assert.match(scores[1].over, '7 held-out views, exposure fitted to each');
      return { psnr: scores[1].value, exposures: trained.exposures };
    };
    const without = await scored(false);
    const learnt = await scored(true);
    releaseDataset(dataset);
    assert.is(without.exposures, undefined);
    // 24.0 and 29.4 dB.
    assert.ok(learnt.psnr > without.psnr + 4, `${without.psnr} and ${learnt.psnr} dB`);

    // The background is white: its colour in each photograph is its gain.
    const { views } = learnt.exposures!;
    assert.is(views.length, 49);
    for (let c = 0; c < 3; c++) {
      const truth = views.map(({ name }) => Math.log(gains.get(name)![c]));
      const left = views.map(({ matrix }, i) => {
        const white = matrix.slice(4 * c, 4 * c + 4).reduce((sum, value) => sum + value, 0);
        return Math.log(white) - truth[i];
      });
      assert.ok(deviation(truth) > 0.15);
      assert.ok(deviation(left) < 0.7 * deviation(truth), `${deviation(truth)}, left ${deviation(left)}`);
    }
  }));

test('without them there is no exposure and no pose, and no byte differs', () =>
  withGpu(async (gpu, arena) => {
    const dataset = noise(arena);
    const run = async (options: TrainInput) => {
      const { gaussians, exposures, poses } = await trainScene(
        gpu,
        { dataset, gaussians: startOf(arena) },
        options,
      );
      const bytes = await bytesOf(gpu, gaussians);
      releaseGaussians(gaussians);
      return { bytes, exposures, poses };
    };
    const options = { steps: 3, cap: 120 };
    const off = await run({ ...options, exposure: false, poses: false });
    assert.equal([off.exposures, off.poses], [undefined, undefined]);
    assert.equal(off, await run(options));
    const still = await run({
      ...options,
      exposure: true,
      poses: true,
      rates: { exposure: 0, poses: 0 },
    });
    assert.ok(still.exposures!.views.every(({ matrix }) => matrix.join() === '1,0,0,0,0,1,0,0,0,0,1,0'));
    for (const [i, { viewmat }] of still.poses!.views.entries()) {
      assert.equal(viewmat, [...Float32Array.from(dataset.views[i].camera.viewmat)]);
    }
    assert.equal(still.bytes, off.bytes, 'rates of 0 change nothing');
  }));

test('refined poses replace those of training views alone, and a later training starts from them', () =>
  withGpu(async (gpu, arena) => {
    const dataset = noise(arena);
    dataset.views[1].split = 'test';
    const { poses, ...first } = await trainScene(
      gpu,
      { dataset, gaussians: startOf(arena) },
      { steps: 8, cap: 120, poses: true },
    );
    const refined = withPoses(dataset, poses);
    assert.is(withPoses(dataset), dataset);
    for (const [i, view] of refined.views.entries()) {
      const { name, camera, image } = dataset.views[i];
      assert.is(view.image, image);
      if (i === 1) assert.is(view.camera, camera);
      else assert.equal(view.camera.viewmat, poses!.views.find((pose) => pose.name === name)!.viewmat);
    }
    assert.not.equal(refined.views[0].camera.viewmat, dataset.views[0].camera.viewmat);
    const again = await trainScene(
      gpu,
      { dataset, gaussians: startOf(arena), poses },
      { steps: 3, cap: 120, poses: true, rates: { poses: 0 } },
    );
    assert.equal(again.poses, poses);
    for (const { gaussians } of [first, again]) releaseGaussians(gaussians);
  }));

test('it resumes from a checkpoint to the same bytes', () =>
  withGpu(async (gpu, arena) => {
    const dataset = noise(arena);
    const steps = 20;
    const work = async (settings: StageSettings = {}): Promise<Bytes> => {
      const options = { steps, cap: 120, exposure: true, poses: true };
      const inputs = { dataset, gaussians: startOf(arena) };
      const { gaussians, exposures, poses } = await trainScene(gpu, inputs, options, {
        seed: 7,
        ...settings,
      });
      const bytes = await bytesOf(gpu, gaussians);
      releaseGaussians(gaussians);
      const texts = { exposures: formatExposures(exposures!), poses: formatPoses(poses!) };
      const encoded = Object.entries(texts).map(([name, text]) => [name, new TextEncoder().encode(text)]);
      return { ...bytes, ...Object.fromEntries(encoded) };
    };
    const whole = await work();
    for (const stop of [3, 11]) {
      const store = new MemoryStore();
      const error = await work({ checkpoints: store, report: stoppingAt(stop, store) }).catch(
        (reason: unknown) => reason,
      );
      assert.instance(error, Stopped);
      assert.equal(await work({ checkpoints: storeOf(store.saved[0]) }), whole, `stopped at ${stop}`);
    }
  }));

test('with the second set of SH it is refused', async () => {
  for (const name of ['exposure', 'poses']) {
    const given = trainStage.options.parse({ [name]: true, clip: { prompt: 'fire' } });
    await throwsInput(() => trainStage.preflight!(given), `train.${name}`, 'clip.mode balanced');
  }
});

/** Views with photographs of noise. */
function noise(arena: Parameters<typeof startOf>[0]): Dataset {
  const dataset = ringDataset();
  dataset.views.forEach((view, i) => {
    view.image = arena.upload(
      view.name,
      mixed(1600, i).map((word) => 0xff000000 | word),
      'test',
    );
  });
  return dataset;
}

test.run();
