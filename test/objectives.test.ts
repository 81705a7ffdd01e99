import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { View } from '../stages/artefacts/dataset.ts';
import {
  GAUSSIAN_PARAMETERS,
  type Gaussians,
  parameterWidths,
  releaseGaussians,
} from '../stages/artefacts/gaussians.ts';
import { openClip } from '../stages/clip/model.ts';
import { ClipObjective } from '../stages/clip/objective.ts';
import { PRESETS } from '../stages/losses/index.ts';
import { openStyleTarget, type StyleTarget } from '../stages/losses/target.ts';
import {
  type Objective,
  type ObjectiveFactory,
  type Picture,
  photometricObjective,
} from '../stages/optimizer/objectives.ts';
import { SplatOptimizer } from '../stages/optimizer/optimizer.ts';
import { createState } from '../stages/optimizer/state.ts';
import { type StylizeInput, stylize, stylizeOptions } from '../stages/stylize/stage.ts';
import { type Arena, type Gpu, random4 } from '../wgsl/core/index.ts';
import { SplatRenderer } from '../wgsl/splat/renderer.ts';
import { withGpu } from './helpers/gpu.ts';
import { mixed } from './helpers/numbers.ts';
import { balls, ringDataset } from './helpers/tiny-scene.ts';

const model = fileURLToPath(new URL('./data/clip-tiny/', import.meta.url));
const crops = { count: 3, scale: [0.5, 1] as [number, number], rotate: 10, flip: true };
const SEED = 9;
const STILL = { means: 0, logScales: 0, quats: 0, opacityLogits: 0, sh: [0, 0] } as const;
/** No photograph's byte is one of these: the sign of a difference is never left to rounding. */
const BACKGROUND = [0.31, 0.45, 0.52] as const;

/** The last objective of a list: it adds nothing, and hands out the picture that the others worked on. */
function onlooker(seen: (picture: Picture) => void): ObjectiveFactory {
  return async (_gpu, _arena, picture) => {
    seen(picture);
    return {
      prepare() {},
      record() {},
      metrics: [],
    };
  };
}

/** A factory that hands out what it makes. */
function watched(make: ObjectiveFactory, seen: (objective: Objective) => void): ObjectiveFactory {
  return async (...context) => {
    const objective = await make(...context);
    seen(objective);
    return objective;
  };
}

/** The style target, and an objective of the library for the same prompt and crops, which computes the CLIP loss on its own. */
async function withTarget(
  gpu: Gpu,
  body: (target: StyleTarget, own: ClipObjective) => Promise<void>,
): Promise<void> {
  const options = { prompt: 'a robot', model, crops, preset: 'paper', losses: {} } as const;
  const target = await openStyleTarget(gpu, options, { seed: SEED });
  const { count: batch, ...augment } = crops;
  const clip = await openClip(gpu, model);
  const own = await ClipObjective.create(gpu, clip, { batch, width: 1, height: 1, augment });
  own.setTarget(await clip.embedTexts(['a robot']));
  try {
    await body(target, own);
  } finally {
    own.destroy();
    clip.destroy();
    target.destroy();
  }
}

const relative = (found: Float32Array, expected: ArrayLike<number>) =>
  Math.hypot(...found.map((value, i) => value - expected[i])) / Math.hypot(...Array.from(expected));

test('joint optimisation computes sign(render − photo)/(3·W·H) − k·∇CLIP, the gradient of L1 − k·CLIP', () =>
  withGpu((gpu) =>
    withTarget(gpu, async (target, objective) => {
      const arena = gpu.arena('test/eq3');
      const weight = 0.7;
      const { camera } = ringDataset().views[1];
      const pixels = camera.width * camera.height;
      const photo = mixed(pixels, 3);
      const view: View = {
        name: 'photo',
        split: 'train',
        camera,
        image: arena.upload('photo', photo, 'test'),
      };
      let picture: Picture | undefined;
      const optimizer = await SplatOptimizer.create(createState(arena, balls(arena, 'balls')), {
        label: 'test',
        width: camera.width,
        height: camera.height,
        train: GAUSSIAN_PARAMETERS,
        objectives: [
          photometricObjective({ dssim: 0 }),
          target.objective(weight),
          onlooker((seen) => (picture = seen)),
        ],
      });
      const step = 5;
      await optimizer.step({ step, view, background: BACKGROUND, shDegree: 0, rates: STILL });
      assert.is(await optimizer.settle(), undefined);
      const { color, gradient } = picture!;
      const render = await gpu.readFloats(color, 'test');
      const found = await gpu.readFloats(gradient, 'test');

      const own = arena.buffer('own', gradient.size);
      objective.setStep(SEED, step, camera);
      gpu.run('test', (recorder) => objective.record(recorder, color, own, 1));
      const clip = await gpu.readFloats(own, 'test'); // d(−CLIP)/d render
      const l1 = Float64Array.from(clip, (_, i) => {
        if (i % 4 === 3) return 0;
        const byte = (photo[i >> 2] >>> (8 * (i % 4))) & 255;
        return Math.sign(render[i] - byte / 255) / (3 * pixels);
      });
      const sum = l1.map((value, i) => value + weight * clip[i]);
      assert.ok(new Set(render).size > 100, 'there is a picture');
      const [photographs, words] = [Math.hypot(...l1), weight * Math.hypot(...clip)];
      assert.ok(words > 0.01 * photographs && photographs > 0.01 * words, `${photographs} and ${words}`);
      assert.ok(relative(found, sum) < 1e-6, `the sum is off by ${relative(found, sum)}`);
      const rest = found.map((value, i) => value - l1[i]);
      const term = clip.map((value) => weight * value);
      assert.ok(relative(rest, term) < 1e-4, `the CLIP term is off by ${relative(rest, term)}`);
      optimizer.destroy();
      arena.destroy();
    }),
  ));

/** Twelve soft Gaussians of SH degree 1 whose colours stay well inside 0 and 1, so that nothing is clamped. */
function softBalls(arena: Arena): Gaussians {
  const count = 12;
  const upload = (role: string, values: (row: number) => readonly number[]) =>
    arena.upload(
      `soft/${role}`,
      Float32Array.from(Array.from({ length: count }, (_, i) => values(i)).flat()),
      'test',
    );
  return {
    count,
    shDegree: 1,
    means: upload('means', (row) =>
      random4(1, 'noise', 0, row)
        .slice(0, 3)
        .map((x) => 1.2 * (x - 0.5)),
    ),
    logScales: upload('scales', (row) =>
      random4(1, 'noise', 1, row)
        .slice(0, 3)
        .map((x) => -2 + x),
    ),
    quats: upload('quats', (row) => random4(1, 'noise', 2, row).map((x) => x - 0.5)),
    opacityLogits: upload('opacity', (row) => [random4(1, 'noise', 3, row)[0] * 3]),
    sh: upload('sh', (row) =>
      [4, 5, 6]
        .flatMap((step) => random4(1, 'noise', step, row))
        .map((x, k) => (k < 3 ? 1.2 : 0.4) * (x - 0.5)),
    ),
  };
}

test('the gradient that reaches SH is the slope of −CLIP(render), through rasteriser, crops and encoder', () =>
  withGpu((gpu) =>
    withTarget(gpu, async (target) => {
      const arena = gpu.arena('test/slope');
      const [view] = ringDataset().views;
      const state = createState(arena, softBalls(arena));
      let objective: Objective | undefined;
      const optimizer = await SplatOptimizer.create(state, {
        label: 'test',
        width: view.camera.width,
        height: view.camera.height,
        train: ['sh'],
        objectives: [watched(target.objective(1), (seen) => (objective = seen))],
      });
      const sh = await gpu.readFloats(state.parameters.sh, 'test');
      const loss = async (values: Float32Array) => {
        gpu.write(state.parameters.sh, values, 'test');
        await optimizer.step({ step: 2, view, background: BACKGROUND, shDegree: 1, rates: STILL });
        assert.is(await optimizer.settle(), undefined);
        const cosines = await gpu.readFloats([objective!.metrics].flat()[0].buffer, 'test', crops.count);
        return -cosines.reduce((a, b) => a + b, 0) / crops.count;
      };
      await loss(sh);
      // Adam's first moment starts at zero: after one step it is (1 − β1) times the gradient.
      const moment = await gpu.readFloats(state.moments.sh.m, 'test', sh.length);
      const found = moment.map((value) => value / 0.1);
      const norm = Math.hypot(...found);
      const slope = async (direction: ArrayLike<number>, h: number) => {
        const at = (by: number) => sh.map((value, i) => value + by * direction[i]);
        return ((await loss(at(h))) - (await loss(at(-h)))) / (2 * h);
      };
      // Central differences: at 0.01 the third derivative costs 2e-4 of the slope, the cosines' rounding up to 5e-6.
      const along = await slope(
        found.map((value) => value / norm),
        0.01,
      );
      assert.ok(Math.abs(along / norm - 1) < 1e-3, `${along} by differences, ${norm} by the gradient`);
      const steepest = [...found.keys()].sort((a, b) => Math.abs(found[b]) - Math.abs(found[a]));
      // Of the steepest, of the middle, and of each channel and band.
      const chosen = new Set([...steepest.slice(0, 6), ...steepest.slice(40, 44), ...Array(12).keys()]);
      for (const i of chosen) {
        const unit = found.map((_, j) => Number(j === i));
        const difference = await slope(unit, 0.01);
        const allowed = 1e-3 * Math.abs(found[i]) + 1e-5;
        assert.ok(
          Math.abs(difference - found[i]) < allowed,
          `sh[${i}]: ${difference} by differences, ${found[i]} by the gradient`,
        );
      }
      assert.ok(Math.abs(found[steepest[43]]) > 1e-3, 'slopes are far above the tolerance');
      optimizer.destroy();
      arena.destroy();
    }),
  ));

/** The mean cosine over all views with the same crops at every call. */
async function cosineOnFixedCrops(gpu: Gpu, objective: ClipObjective, splat: Gaussians): Promise<number> {
  const arena = gpu.arena('test/fixed');
  const renderer = await SplatRenderer.create(gpu, 'test/renderer');
  let sum = 0;
  const { views } = ringDataset();
  for (const { camera } of views) {
    const bytes = 16 * camera.width * camera.height;
    const [color, gradient] = [arena.buffer('color', bytes), arena.buffer('gradient', bytes)];
    await renderer.render(splat, camera, { color }, { background: [0, 0, 0] });
    objective.setStep(1234, 0, camera);
    gpu.run('test', (recorder) => objective.record(recorder, color, gradient));
    const cosines = await gpu.readFloats(objective.cosines, 'test', crops.count);
    sum += cosines.reduce((a, b) => a + b, 0) / crops.count;
  }
  renderer.destroy();
  arena.destroy();
  return sum / views.length;
}

/** The bits of all parameters, by name. */
async function bitsOf(gpu: Gpu, splat: Gaussians): Promise<Record<string, Uint32Array>> {
  const widths = parameterWidths(splat.shDegree);
  const tensors = GAUSSIAN_PARAMETERS.map(async (name) => {
    const words = await gpu.readWords(splat[name], 'test', widths[name] * splat.count);
    return [name, words] as const;
  });
  return Object.fromEntries(await Promise.all(tensors));
}

test('the preset sets crops, learning rate and its decay where none is given', () =>
  withGpu(async (gpu) => {
    const arena = gpu.arena('test/preset');
    const gaussians = softBalls(arena);
    const losses = { clip: 1, directional: 0, patch: 0, content: 0, structure: 0, tv: 0 };
    const restyle = async (given: Partial<StylizeInput>) => {
      const options = { prompt: 'a robot', model, steps: 4, losses, ...given };
      const splat = await stylize(gpu, { dataset: ringDataset(), gaussians }, options, { seed: SEED });
      const { sh } = await bitsOf(gpu, splat);
      releaseGaussians(splat);
      return sh;
    };
    const { cropScale, shRate, anneal } = PRESETS.wall;
    const count = 3;
    const [wall, rate] = [{ crops: { count } }, { rates: { sh: shRate } }];
    const whole = { preset: 'paper' as const, crops: { count, scale: cropScale }, ...rate };
    const given = await restyle({ ...whole, anneal });
    assert.equal(await restyle(wall), given);
    assert.not.equal(await restyle(whole), given, 'paper has no decay');
    assert.equal(await restyle({ ...wall, anneal: { from: 0.5, to: 1 } }), await restyle(whole));
    const slow = { ...wall, rates: { sh: PRESETS.paper.shRate } };
    assert.not.equal(await restyle(slow), given, 'another rate');
    arena.destroy();
  }));

test('stylize of SH alone leaves all else bit-identical, raises the cosine, and repeats to the byte', () =>
  withGpu((gpu) =>
    withTarget(gpu, async (_, objective) => {
      const arena = gpu.arena('test/stylize');
      const gaussians = softBalls(arena);
      const read = (splat: Gaussians) => bitsOf(gpu, splat);
      const restyle = () =>
        stylize(
          gpu,
          { dataset: ringDataset(), gaussians },
          { prompt: 'a robot', model, preset: 'paper', steps: 20, train: ['sh'], crops, rates: { sh: 0.05 } },
          { seed: SEED },
        );
      const before = await read(gaussians);
      const [first, second] = [await restyle(), await restyle()];
      const after = await read(first);
      assert.equal(await read(gaussians), before, 'what came in stays');
      assert.equal(await read(second), after, 'the same bytes');
      for (const name of GAUSSIAN_PARAMETERS) {
        if (name !== 'sh') assert.equal(after[name], before[name], name);
      }
      const moved = after.sh.filter((word: number, i: number) => word !== before.sh[i]).length;
      assert.ok(moved > 0.9 * before.sh.length, `${moved} of ${before.sh.length} coefficients moved`);
      const was = await cosineOnFixedCrops(gpu, objective, gaussians);
      const is = await cosineOnFixedCrops(gpu, objective, first);
      assert.ok(is > was + 0.04, `the cosine went from ${was} to ${is}`);
      for (const splat of [first, second]) releaseGaussians(splat);
      arena.destroy();
    }),
  ));

test('refuses learning rates that leave no splat', () => {
  for (const [rate, isTaken] of [
    [10, true],
    [11, false],
    [1e30, false],
  ] as const) {
    assert.is(stylizeOptions.safeParse({ prompt: 'wood', rates: { sh: rate } }).success, isTaken);
  }
});

test.run();
