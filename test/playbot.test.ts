import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { quatOf } from '../scenes/playbot-points.ts';
import { lookAt } from '../stages/artefacts/camera.ts';
import { releaseDataset } from '../stages/artefacts/dataset.ts';
import { viewmatOf } from '../stages/load/colmap/images.ts';
import { load } from '../stages/load/stage.ts';
import { assertClose } from './helpers/close.ts';
import { withGpu } from './helpers/gpu.ts';
import { recordingReport } from './helpers/report.ts';

const folder = fileURLToPath(new URL('../scenes/playbot/', import.meta.url));

test('the demo’s capture is small and credits its author', () => {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name));
  const bytes = files.reduce((sum, file) => sum + (statSync(file).isFile() ? statSync(file).size : 0), 0);
  assert.ok(bytes > 1e6 && bytes <= 4e6, `${bytes} bytes`);
  for (const name of ['LICENSE.txt', 'README.md']) {
    const text = readFileSync(join(folder, name), 'utf8');
    assert.match(text, 'Stephane Agullo');
    assert.match(text, 'CC-BY-4.0');
  }
});

test('it loads: 49 + 7 views around the robot, upright, no warnings', () =>
  withGpu(async (gpu) => {
    const report = recordingReport();
    const { dataset } = await load(gpu, {}, { colmap: folder, downscale: 8 }, { report });
    assert.equal(report.warnings, []);
    assert.equal(report.notes, ['49 train and 7 test views, 32×32, 5000 points']);
    assertClose(dataset.up, [0, -1, 0], { absolute: 1e-6 });
    assertClose(dataset.center, [0, -0.5, 0], { absolute: 1e-6 });
    releaseDataset(dataset);
  }));

test('every rotation is preserved as a quaternion', () => {
  for (const up of [
    [0, -1, 0],
    [0, 1, 0],
    [1, 0, 0],
    [0, 0, 1],
  ] as const) {
    for (const eye of [
      [1, 2, 3],
      [-3, 1, -2],
      [2, -3, 0.5],
    ] as const) {
      const m = lookAt(eye, [0, 0, 0], up);
      assertClose(viewmatOf({ quat: quatOf(m), translation: [m[3], m[7], m[11]] }), m, { absolute: 1e-12 });
    }
  }
});

test.run();
