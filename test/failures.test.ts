/** Work that fails midway frees its GPU memory. */
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { releaseFrames } from '../stages/artefacts/frames.ts';
import { releaseGaussians } from '../stages/artefacts/gaussians.ts';
import { openClip } from '../stages/clip/model.ts';
import { orbit } from '../stages/orbit/stage.ts';
import { score } from '../stages/score/stage.ts';
import { stylize } from '../stages/stylize/stage.ts';
import { train } from '../stages/train/train.ts';
import type { Gpu } from '../wgsl/core/index.ts';
import { withGpu } from './helpers/gpu.ts';
import { balls, ringDataset } from './helpers/tiny-scene.ts';

const MODEL = fileURLToPath(new URL('./data/clip-tiny', import.meta.url));
const ORBIT = { frames: 2, size: [32, 32] as [number, number] };

/**
 * Runs it again and again, each time with one more buffer made before one is refused, until it succeeds; every failure
 * must leave as many bytes as there were. `stride`: refuse every so manieth buffer only.
 */
async function failEverywhere(gpu: Gpu, run: () => Promise<() => void>, stride = 1): Promise<void> {
  const make = gpu.buffer.bind(gpu);
  const leaks: string[] = [];
  let failures = 0;
  try {
    for (let allowed = 0; ; allowed += stride) {
      const live = gpu.liveBytes;
      let made = 0;
      let refused = '';
      gpu.buffer = (label, ...rest) => {
        if (made++ < allowed) return make(label, ...rest);
        refused ||= label;
        throw new Error('out of memory');
      };
      const release = await run().catch((error: Error) => {
        assert.is(error.message, 'out of memory');
      });
      if (!refused) {
        release?.();
        break;
      }
      assert.not.ok(release, `it succeeded without ${refused}`);
      failures++;
      if (gpu.liveBytes !== live) leaks.push(`${refused}: ${gpu.liveBytes - live} bytes`);
    }
  } finally {
    gpu.buffer = make;
  }
  assert.equal(leaks, []);
  assert.ok(failures > 3, `${failures} failures`);
}

test('reading a buffer frees its staging, even if it cannot be mapped', () =>
  withGpu(async (gpu, arena) => {
    const buffer = arena.buffer('source', 64);
    const create = gpu.device.createBuffer.bind(gpu.device);
    const destroyed: string[] = [];
    let broken = false;
    gpu.device.createBuffer = (descriptor) => {
      const made = create(descriptor);
      const destroy = made.destroy.bind(made);
      made.destroy = () => {
        destroyed.push(descriptor.label ?? '');
        return destroy();
      };
      if (broken) made.mapAsync = async () => Promise.reject(new Error('cannot be mapped'));
      return made;
    };
    try {
      assert.is((await gpu.read(buffer, 'test')).byteLength, 64);
      broken = true;
      const error = await gpu.read(buffer, 'test').catch((error: Error) => error);
      assert.match(String(error), /cannot be mapped/);
    } finally {
      gpu.device.createBuffer = create;
    }
    assert.equal(destroyed, ['test/source/staging', 'test/source/staging']);
  }));

test('orbit, score, stylize and train free their buffers wherever an allocation fails', () =>
  withGpu(async (gpu, arena) => {
    const scene = { dataset: ringDataset(), gaussians: balls(arena, 'now'), base: balls(arena, 'base') };
    for (const view of scene.dataset.views.slice(0, 4)) view.image = arena.buffer(view.name, 4 * 1600);
    scene.dataset.views[0].split = 'test';
    await failEverywhere(gpu, async () => {
      const frames = await orbit(gpu, scene, ORBIT);
      return () => releaseFrames(frames);
    });
    const frames = await orbit(gpu, scene, ORBIT);
    await failEverywhere(
      gpu,
      async () => {
        await score(gpu, { ...scene, frames }, { prompt: 'a ball', model: MODEL });
        return () => {};
      },
      16, // nearly all of its buffers are the CLIP model's, of which the next test refuses each
    );
    releaseFrames(frames);
    const clip = { prompt: 'a ball', model: MODEL, preset: 'paper' as const, crops: { count: 1 } };
    await failEverywhere(
      gpu,
      async () => {
        const restyled = await stylize(gpu, scene, { ...clip, steps: 1 });
        return () => releaseGaussians(restyled);
      },
      5,
    );
    await failEverywhere(gpu, async () => {
      const trained = await train(gpu, scene, { steps: 2, cap: 10 });
      return () => releaseGaussians(trained);
    });
  }));

test('a CLIP model and its texts free their buffers', () =>
  withGpu(async (gpu) => {
    await failEverywhere(gpu, async () => {
      const model = await openClip(gpu, MODEL);
      try {
        await model.embedTexts(['a ball']);
        model.vision();
        return () => model.destroy();
      } catch (error) {
        model.destroy();
        throw error;
      }
    });
  }));

test.run();
