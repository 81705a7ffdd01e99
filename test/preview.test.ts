/** Live previews: pictures of the splat from a held-out view, on which no byte of a result depends. */
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Dataset } from '../stages/artefacts/dataset.ts';
import { type Gaussians, releaseGaussians } from '../stages/artefacts/gaussians.ts';
import type { Preview } from '../stages/stage.ts';
import { type StylizeInput, stylize } from '../stages/stylize/stage.ts';
import { train, trainJointly } from '../stages/train/stage.ts';
import type { Arena, Gpu } from '../wgsl/core/index.ts';
import { bytesOf, differences } from './helpers/checkpoints.ts';
import { withGpu } from './helpers/gpu.ts';
import { balls, ringDataset } from './helpers/tiny-scene.ts';

/** Ends after the first check of the steps, at which a loop takes a picture. */
const STEPS = 52;
const clip = {
  prompt: 'the robot',
  model: fileURLToPath(new URL('./data/clip-tiny', import.meta.url)),
  steps: STEPS,
  crops: { count: 1 },
};

function photographs(arena: Arena): Dataset {
  const dataset = ringDataset();
  for (const view of dataset.views) {
    view.image = arena.upload(view.name, new Uint32Array(1600).fill(0xff40a0ff), 'test');
  }
  return dataset;
}

/** The work gives the same bytes with pictures and without. Returns the pictures and the splats. */
async function compare(gpu: Gpu, work: (preview?: Preview) => Promise<Gaussians[]>) {
  const outcome = async (preview?: Preview) => {
    const splats = await work(preview);
    const bytes = [];
    for (const splat of splats) bytes.push(await bytesOf(gpu, splat));
    splats.forEach(releaseGaussians);
    return { bytes, counts: splats.map(({ count }) => count) };
  };
  const live = gpu.liveBytes;
  const pictures: Uint8Array[] = [];
  const shown = await outcome({ seconds: 0, show: async (picture) => void pictures.push(picture) });
  const alone = await outcome();
  for (const [i, bytes] of shown.bytes.entries()) assert.equal(differences(bytes, alone.bytes[i]), []);
  assert.is(gpu.liveBytes, live, 'all buffers are freed');
  for (const picture of pictures) {
    const { channels } = await sharp(picture).stats();
    const { width, height } = await sharp(picture).metadata();
    assert.equal([width, height], [40, 40]);
    const contrast = Math.max(...channels.map(({ min, max }) => max - min));
    assert.ok(contrast > 50, 'the picture shows the splat and the background');
  }
  return { pictures: pictures.length, ...alone };
}

test('train', () =>
  withGpu(async (gpu, arena) => {
    const inputs = { dataset: photographs(arena), gaussians: balls(arena, 'start') };
    // The buffers of the state are replaced when the splat grows.
    const options = {
      steps: 210,
      strategy: 'default',
      default: { refineStart: 20, refineEvery: 60 },
    } as const;
    const { pictures, counts } = await compare(gpu, async (preview) => [
      await train(gpu, inputs, options, { preview }),
    ]);
    assert.ok(counts[0] > inputs.gaussians.count, 'the splat grows');
    assert.ok(pictures >= 3, `${pictures} pictures`);
  }));

test('train with clip.mode balanced, in both loops', () =>
  withGpu(async (gpu, arena) => {
    const inputs = { dataset: photographs(arena), gaussians: balls(arena, 'start') };
    const options = { steps: STEPS, clip: { ...clip, preset: 'paper' } } as const;
    const { pictures, bytes } = await compare(gpu, async (preview) => {
      const { gaussians, base } = await trainJointly(gpu, inputs, options, { preview });
      return [gaussians, base];
    });
    assert.is(pictures, 2);
    assert.equal(differences(bytes[0], bytes[1]), ['sh'], 'the style trains');
  }));

test('stylize', () =>
  withGpu(async (gpu, arena) => {
    const inputs = { dataset: photographs(arena), gaussians: balls(arena, 'start') };
    const options: StylizeInput = { ...clip, train: ['sh', 'means'] };
    const { pictures, bytes } = await compare(gpu, async (preview) => [
      await stylize(gpu, inputs, options, { preview }),
    ]);
    assert.is(pictures, 1);
    const start = await bytesOf(gpu, inputs.gaussians);
    assert.equal(differences(bytes[0], start), ['means', 'sh']);
  }));

test.run();
