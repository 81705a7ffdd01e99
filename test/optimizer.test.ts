import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { backgroundAt } from '../stages/artefacts/background.ts';
import { lookAt } from '../stages/artefacts/camera.ts';
import type { View } from '../stages/artefacts/dataset.ts';
import { GAUSSIAN_PARAMETERS, type GaussianParameter } from '../stages/artefacts/gaussians.ts';
import { runLoop, ViewOrder } from '../stages/optimizer/loop.ts';
import type { Step } from '../stages/optimizer/optimizer.ts';
import { setCount, type TrainingState } from '../stages/optimizer/state.ts';
import type { Arena } from '../wgsl/core/index.ts';
import { withGpu } from './helpers/gpu.ts';
import { RATES, recordingOptimizer } from './helpers/optimizer.ts';
import { recordingReport } from './helpers/report.ts';
import { hostRows, readMoments, readRows, stateOf } from './helpers/state.ts';

const STEPS = 8;
const COUNT = 200;
const rows = hostRows(COUNT, 1);

/** Views of 40×32 and 33×21 pixels: sizes may differ within one training. */
function viewsOf(arena: Arena): View[] {
  return [0, 1].map((i) => {
    const [width, height] = i ? [33, 21] : [40, 32];
    const pixels = Uint32Array.from({ length: width * height }, (_, p) => 0xff000000 | (p * 2654435761));
    return {
      name: `view-${i}`,
      split: 'train',
      camera: {
        width,
        height,
        fx: 40,
        fy: 40,
        cx: width / 2,
        cy: height / 2,
        viewmat: lookAt([3 * i, -1, -4], [0, 0, 0], [0, -1, 0]),
      },
      image: arena.upload(`photo-${i}`, pixels, 'test'),
    };
  });
}

const stepOf = (step: number, views: View[]): Omit<Step, 'step'> => ({
  view: new ViewOrder(views, 5).at(step),
  background: backgroundAt('random', 5, step),
  shDegree: 1,
  rates: RATES,
});

async function optimize(
  state: TrainingState,
  views: View[],
  {
    intersections,
    train,
    sized,
  }: { intersections?: number; train?: readonly GaussianParameter[]; sized?: boolean } = {},
): Promise<{ failures: number[]; refined: number[]; reported: number[]; notes: string[] }> {
  const { optimizer, failures } = await recordingOptimizer(state, { intersections, train });
  if (sized) await optimizer.sizeBuffers(views);
  const refined: number[] = [];
  const report = recordingReport();
  await runLoop(optimizer, {
    steps: STEPS,
    at: (step) => stepOf(step, views),
    refine: { due: (step) => step % 3 === 2, run: async (step) => void refined.push(step) },
    metrics: () => ({}),
    report,
  });
  optimizer.destroy();
  return { failures, refined, reported: report.steps, notes: report.notes };
}

test('a run whose buffers overflow ends with the same bytes as one with large enough buffers', () =>
  withGpu(async (_, arena) => {
    const views = viewsOf(arena);
    const roomy = stateOf(arena, rows, 1);
    const tight = stateOf(arena, rows, 1);
    const expected = { failures: [], refined: [2, 5], reported: [0, 1, 2, 3, 4, 5, 6, 7, 8], notes: [] };
    assert.equal(await optimize(roomy, views), expected);
    const { failures, refined, reported, notes } = await optimize(tight, views, { intersections: 16 });
    assert.ok(failures.length > 0, 'the small capacity overflowed');
    assert.equal(refined, [2, 5], 'nothing is done between steps that are void');
    assert.is(reported.at(-1), STEPS);
    assert.is(notes.length, failures.length, 'every redone step is reported');
    assert.match(
      notes[0],
      /^step \d+ redone: view view-\d needs \d+ intersections, buffers hold 16; buffers grown$/,
    );
    assert.equal(await readRows(tight), await readRows(roomy));
    assert.equal(await readMoments(tight, 'v'), await readMoments(roomy, 'v'));
    assert.not.equal(await readRows(roomy), rows);
  }));

test('buffers that are sized for all views before the first step never overflow, and change no byte', () =>
  withGpu(async (_, arena) => {
    const views = viewsOf(arena);
    const roomy = stateOf(arena, rows, 1);
    const sized = stateOf(arena, rows, 1);
    await optimize(roomy, views);
    const { failures, reported, notes } = await optimize(sized, views, { intersections: 16, sized: true });
    assert.equal(failures, []);
    assert.equal(notes, []);
    assert.equal(reported, [0, 1, 2, 3, 4, 5, 6, 7, 8], 'progress never runs backwards');
    assert.equal(await readRows(sized), await readRows(roomy));
    assert.equal(await readMoments(sized, 'v'), await readMoments(roomy, 'v'));
  }));

test('after a refinement that multiplies the Gaussians the buffers are sized again', () =>
  withGpu(async (_, arena) => {
    const views = viewsOf(arena);
    const many = hostRows(24_000, 1);
    many.logScales.fill(Math.log(0.5));
    many.opacityLogits.fill(-3);
    const failuresOf = async (sized: boolean) => {
      const state = stateOf(arena, many, 1);
      setCount(state, 200);
      const { optimizer, failures } = await recordingOptimizer(state);
      if (sized) await optimizer.sizeBuffers(views);
      await runLoop(optimizer, {
        steps: 3,
        at: (step) => stepOf(step, views),
        refine: { due: (step) => step === 0, run: async () => setCount(state, 24_000) },
        metrics: () => ({}),
        report: recordingReport(),
      });
      optimizer.destroy();
      return failures;
    };
    assert.ok((await failuresOf(false)).length > 0, 'the first guess is too small');
    assert.equal(await failuresOf(true), []);
  }));

test('parameters that are not trained stay bit-identical', () =>
  withGpu(async (_, arena) => {
    const state = stateOf(arena, rows, 1);
    await optimize(state, viewsOf(arena), { train: ['sh'] });
    const after = await readRows(state);
    for (const name of GAUSSIAN_PARAMETERS) {
      if (name === 'sh') assert.not.equal(after.sh, rows.sh);
      else assert.equal(after[name], rows[name], name);
    }
  }));

test('every epoch visits each view once, in different orders', () => {
  const views = Array.from({ length: 10 }, (_, i) => ({ name: `${i}` }) as View);
  const order = new ViewOrder(views, 3);
  const epochs = [0, 1, 2].map((epoch) => views.map((_, i) => order.at(10 * epoch + i).name));
  for (const epoch of epochs) assert.equal([...epoch].sort(), views.map(({ name }) => name).sort());
  assert.not.equal(epochs[0], epochs[1]);
  assert.equal(
    views.map((_, i) => new ViewOrder(views, 3).at(10 + i).name),
    epochs[1],
    'a fresh object resumes anywhere',
  );
});

test.run();
