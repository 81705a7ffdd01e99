/** Checkpoints during a training loop: the states that they capture, and saves that fail. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { lookAt } from '../stages/artefacts/camera.ts';
import type { View } from '../stages/artefacts/dataset.ts';
import { GAUSSIAN_PARAMETERS, type Gaussians } from '../stages/artefacts/gaussians.ts';
import { Stopped } from '../stages/checkpoints.ts';
import {
  checkpointNumbers,
  latestCheckpoint,
  restoreTensors,
  stateTensors,
} from '../stages/optimizer/checkpoint-tensors.ts';
import { runLoop, ViewOrder } from '../stages/optimizer/loop.ts';
import { blankState, createState, gaussiansOf, type TrainingState } from '../stages/optimizer/state.ts';
import type { Report } from '../stages/stage.ts';
import type { Arena } from '../wgsl/core/index.ts';
import {
  type Bytes,
  bytesOf,
  differences,
  failingStore,
  MemoryStore,
  SH_DEGREE,
  startOf,
  stoppingAt,
  storeOf,
} from './helpers/checkpoints.ts';
import { withGpu } from './helpers/gpu.ts';
import { mixed } from './helpers/numbers.ts';
import { RATES, recordingOptimizer } from './helpers/optimizer.ts';
import { recordingReport } from './helpers/report.ts';

const STEPS = 10;
const IDENTITY = { seed: 5, steps: STEPS, shDegree: SH_DEGREE };

/** Two views of which the second is crowded: 16 intersections are too few for both. */
function crowdedViews(arena: Arena): View[] {
  return [0, 1].map((i) => ({
    name: `view-${i}`,
    split: 'train',
    camera: {
      width: 40,
      height: 32,
      fx: 40,
      fy: 40,
      cx: 20,
      cy: 16,
      viewmat: lookAt([3 * i, -1, -4], [0, 0, 0], [0, -1, 0]),
    },
    image: arena.upload(`photo-${i}`, mixed(40 * 32, i), 'test'),
  }));
}

/** Runs the loop with room for so many intersections; the first save blocks halfway. Returns the steps that overflowed. */
async function loop(
  arena: Arena,
  views: View[],
  start: Gaussians,
  {
    intersections,
    store,
    report = recordingReport(),
    saved: hasSaved = () => store.saved.length > 0,
  }: { intersections?: number; store: MemoryStore; report?: Report; saved?(): boolean },
): Promise<{ bytes: Bytes; failures: number[] }> {
  const { gpu } = arena;
  const saved = await latestCheckpoint(store, IDENTITY);
  let state: TrainingState;
  if (saved) {
    state = blankState(arena, { count: saved.numbers.count, shDegree: SH_DEGREE }, 200);
    restoreTensors(gpu, stateTensors(state, GAUSSIAN_PARAMETERS), saved);
  } else state = createState(arena, start);
  const { optimizer, failures } = await recordingOptimizer(state, { intersections });
  const order = new ViewOrder(views, IDENTITY.seed);
  try {
    await runLoop(optimizer, {
      steps: STEPS,
      from: saved?.step,
      at: (step) => ({ view: order.at(step), background: [0, 0, 0], shDegree: SH_DEGREE, rates: RATES }),
      refine: {
        due: (step) => step === 5,
        run: async () => {
          while (!hasSaved()) await new Promise((resolve) => setTimeout(resolve, 2));
        },
      },
      metrics: () => ({}),
      report,
      checkpoints: {
        store,
        state: () => ({
          numbers: checkpointNumbers(state, IDENTITY),
          tensors: stateTensors(state, GAUSSIAN_PARAMETERS),
        }),
      },
    });
    return { bytes: await bytesOf(gpu, gaussiansOf(state)), failures };
  } finally {
    optimizer.destroy();
  }
}

test('no checkpoint is of a state in which a step was void, before and after one', () =>
  withGpu(async (_, arena) => {
    const [views, start] = [crowdedViews(arena), startOf(arena)];
    const each = new MemoryStore((step) => step === 4 || step === 8);
    const roomy = await loop(arena, views, start, { store: each });
    assert.equal(roomy.failures, []);
    assert.equal(
      each.saved.map(({ step }) => step),
      [4, 8],
    );
    const store = new MemoryStore((step) => step === 4 || step === 8);
    const tight = await loop(arena, views, start, { intersections: 16, store });
    assert.ok(tight.failures.includes(0), `steps 0 to 3 were void when the first was due: ${tight.failures}`);
    assert.equal(store.saved, each.saved);
    assert.equal(differences(tight.bytes, roomy.bytes), []);

    const [fourth] = each.saved;
    const resumed = await loop(arena, views, start, { intersections: 16, store: storeOf(fourth) });
    assert.ok(resumed.failures.includes(4), 'it overflows at its first step');
    assert.equal(differences(resumed.bytes, roomy.bytes), []);

    const stopping = storeOf(fourth);
    const report = stoppingAt(7, stopping);
    const error = await loop(arena, views, start, { intersections: 16, store: stopping, report }).catch(
      (error: Error) => error,
    );
    assert.instance(error, Stopped);
    const { bytes } = await loop(arena, views, start, { store: storeOf(stopping.saved.at(-1)!) });
    assert.equal(differences(bytes, roomy.bytes), [], 'stopped while steps were void');
  }));

test('a failed save is reported once and retried, and the bytes are the same', () =>
  withGpu(async (_, arena) => {
    const [views, start] = [crowdedViews(arena), startOf(arena)];
    const undisturbed = new MemoryStore();
    const expected = await loop(arena, views, start, { store: undisturbed, saved: () => true });
    const { store, tries } = failingStore(2, 8);
    const report = recordingReport();
    const { bytes } = await loop(arena, views, start, { store, report, saved: () => tries.length > 0 });
    assert.equal(differences(bytes, expected.bytes), []);
    assert.equal(tries, [2, 8]);
    assert.is(report.warnings.length, 1);
    assert.match(report.warnings[0], /checkpoint after step 2 could not be saved: no space left on device/);
  }));

test.run();
