/** Photographs from COLMAP to a turntable, and its cameras against measured ones. Takes minutes: runs with CI_SFM=1. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readPipeline } from '../pipeline/file/read.ts';
import { runPlan } from '../pipeline/run/runner.ts';
import type { Vec3 } from '../stages/artefacts/camera.ts';
import { stages } from '../stages/index.ts';
import { viewmatOf } from '../stages/load/colmap/images.ts';
import { readModel } from '../stages/load/colmap/model.ts';
import { findColmap } from '../stages/sfm/colmap.ts';
import { testGpu } from './helpers/gpu.ts';
import { scratchFolder } from './helpers/scratch.ts';
import { testUnless } from './helpers/skip.ts';
import { alignment } from './reference/similarity.ts';

const CAPTURE = fileURLToPath(new URL('../../shared/data/strecha/fountain-P11', import.meta.url));

async function reasonToSkip(): Promise<string | undefined> {
  if (process.env.CI_SFM !== '1') return 'CI_SFM is not 1';
  if (!existsSync(CAPTURE)) return `${CAPTURE} is absent`;
  return findColmap().then(
    () => undefined,
    (error: Error) => error.message,
  );
}

/** Camera centres by the name of the photograph: the last but one line of each file, in metres. */
function measuredCenters(): Map<string, Vec3> {
  const folder = join(CAPTURE, 'gt_dense_cameras');
  const files = readdirSync(folder).filter((name) => name.endsWith('.camera'));
  return new Map(
    files.map((file) => {
      const lines = readFileSync(join(folder, file), 'utf8').trim().split('\n');
      const [x, y, z] = lines.at(-2)!.trim().split(/\s+/).map(Number);
      return [file.replace(/\.camera$/, ''), [x, y, z]];
    }),
  );
}

/** −Rᵀ t of world → camera [R t], row-major. */
function centerOf(viewmat: readonly number[]): Vec3 {
  const axis = (column: number) =>
    -[0, 1, 2].reduce((sum, row) => sum + viewmat[4 * row + column] * viewmat[4 * row + 3], 0);
  return [axis(0), axis(1), axis(2)];
}

/** The reconstruction in the store of a run. */
function reconstructionIn(store: string): string {
  const places = readdirSync(store, { recursive: true, encoding: 'utf8' });
  return join(store, places.find((path) => path.endsWith('artefacts/reconstruction'))!);
}

testUnless(test, await reasonToSkip(), 'photographs of the fountain become a turntable', async () => {
  const folder = scratchFolder();
  const out = join(folder, 'out');
  const text = `stages:
  - load: { photos: ${CAPTURE}/images, downscale: 4 }
  - init:
  - train: { steps: 60 }
  - orbit: { frames: 8 }
`;
  writeFileSync(join(folder, 'p.yaml'), text);
  const gpu = await testGpu();
  try {
    const plan = await readPipeline('p.yaml', { cwd: folder, registry: stages });
    const { ran, files } = await runPlan(plan, {
      gpu,
      out,
      onEvent: (event) => 'text' in event && console.log(`${event.event}: ${event.text}`),
    });
    assert.equal(ran, ['sfm', 'init', 'train', 'orbit']);
    assert.ok(files.some((file) => file.endsWith('turntable.mp4')));
  } finally {
    gpu.close();
  }
  const model = await readModel(reconstructionIn(join(out, '.store')));
  assert.is(model.images.length, 11, 'every photograph is registered');
  const measured = measuredCenters();
  const from = model.images.map((image) => centerOf(viewmatOf(image)));
  const to = model.images.map(({ name }) => measured.get(name)!);
  const { rmse, extent } = alignment(from, to);
  console.log(
    `camera centres: RMSE ${(1000 * rmse).toFixed(1)} mm, ${((100 * rmse) / extent).toFixed(3)} % of ${extent.toFixed(2)} m`,
  );
  assert.ok(rmse / extent < 0.002, `${(100 * rmse) / extent} % of the extent`);
});

test.run();
