import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openClip } from '../stages/clip/model.ts';
import { ClipObjective } from '../stages/clip/objective.ts';
import { withGpu } from './helpers/gpu.ts';
import { uniform } from './helpers/numbers.ts';

const tiny = join(fileURLToPath(new URL('./data/', import.meta.url)), 'clip-tiny');
const [width, height] = [40, 30];
const options = { batch: 3, width, height, augment: { scale: [0.5, 1], rotate: 15, flip: true } } as const;

test('the gradient predicts how the cosines change, is added, and repeats to the bit', () =>
  withGpu(async (gpu, arena) => {
    const model = await openClip(gpu, tiny);
    const objective = await ClipObjective.create(gpu, model, options);
    objective.setTarget(await model.embedTexts(['a robot', 'gold']));
    objective.setStep(7, 3);
    const weight = 2;
    const color = uniform(width * height * 4, 1, 0.2, 0.8);
    const image = arena.upload('image', color, 'test');
    const gradient = arena.buffer('gradient', color.byteLength);
    const loss = async (pixels: Float32Array): Promise<number> => {
      gpu.write(image, pixels, 'test');
      gpu.run('test', (recorder) => objective.record(recorder, image, gradient, weight));
      const cosines = await gpu.readFloats(objective.cosines, 'test', options.batch);
      return (-weight * cosines.reduce((a, b) => a + b, 0)) / options.batch;
    };
    const here = await loss(color);
    assert.ok(Math.abs(here) <= weight, 'cosines are in [−1, 1]');
    const found = await gpu.readFloats(gradient, 'test');
    assert.ok(
      found.every((value, i) => i % 4 < 3 || value === 0),
      'alpha has no gradient',
    );
    // along the gradient itself the difference is largest against rounding
    const norm = Math.hypot(...found);
    assert.ok(norm > 0);
    const moved = (by: number) => color.map((value, i) => value + (by * found[i]) / norm);
    const change = ((await loss(moved(0.1))) - (await loss(moved(-0.1)))) / 0.2;
    assert.ok(Math.abs(change / norm - 1) < 0.01, `${change} by differences, ${norm} by the gradient`);

    gpu.write(gradient, new Float32Array(color.length).fill(1), 'test');
    await loss(color);
    const again = await gpu.readFloats(gradient, 'test');
    assert.equal([...again], [...found.map((value) => Math.fround(1 + value))]);
    objective.destroy();
    model.destroy();
  }));

test('a step along the gradient raises the cosines, and allocates no buffer', () =>
  withGpu(async (gpu, arena) => {
    const model = await openClip(gpu, tiny);
    const objective = await ClipObjective.create(gpu, model, options);
    objective.setTarget(await model.embedTexts(['the robot']));
    const color = uniform(width * height * 4, 2, 0.2, 0.8);
    const image = arena.upload('image', color, 'test');
    const gradient = arena.buffer('gradient', color.byteLength);
    const cosines: number[] = [];
    for (let step = 0; step < 8; step++) {
      const live = gpu.liveBytes;
      objective.setStep(1, 0);
      gpu.run('test', (recorder) => {
        recorder.clear(gradient);
        objective.record(recorder, image, gradient);
      });
      assert.is(gpu.liveBytes, live);
      const found = await gpu.readFloats(gradient, 'test');
      const norm = Math.hypot(...found);
      found.forEach((value, i) => {
        color[i] = Math.min(1, Math.max(0, color[i] - (3 * value) / norm));
      });
      gpu.write(image, color, 'test');
      const batch = await gpu.readFloats(objective.cosines, 'test', options.batch);
      cosines.push(batch.reduce((a, b) => a + b, 0) / options.batch);
    }
    assert.ok(cosines.at(-1)! > cosines[0] + 0.05, `cosines ${cosines.map((value) => value.toFixed(3))}`);
    objective.destroy();
    model.destroy();
  }));

test.run();
