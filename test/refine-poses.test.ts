/** Training that refines the poses of its views: what comes back of the demo's cameras. */
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Camera, dot } from '../stages/artefacts/camera.ts';
import { type Dataset, releaseDataset } from '../stages/artefacts/dataset.ts';
import { releaseGaussians } from '../stages/artefacts/gaussians.ts';
import { init } from '../stages/init/stage.ts';
import { load } from '../stages/load/stage.ts';
import { score } from '../stages/score/stage.ts';
import { trainScene } from '../stages/train/stage.ts';
import { random4 } from '../wgsl/core/index.ts';
import { withGpu } from './helpers/gpu.ts';
import { movedPose } from './reference/pose.ts';

const PLAYBOT = fileURLToPath(new URL('../scenes/playbot/', import.meta.url));

/** Moves each training camera by up to 1 % of the extent and turns it by up to 0.9° about each axis. */
function shaken({ views, extent, ...rest }: Dataset): Dataset {
  const moved = views.map((view, i) => {
    if (view.split !== 'train') return view;
    const shift = random4(5, 'noise', 0, i).slice(0, 3);
    const turn = random4(6, 'noise', 0, i).slice(0, 3);
    const twist = [
      ...shift.map((value) => 0.02 * extent * (value - 0.5)),
      ...turn.map((value) => 0.03 * (value - 0.5)),
    ];
    const { viewmat } = view.camera;
    const rows = [0, 4, 8, 12].map((at) => viewmat.slice(at, at + 4));
    return { ...view, camera: { ...view.camera, viewmat: movedPose(rows, twist).flat() } };
  });
  return { ...rest, extent, views: moved };
}

/** Mean distance in pixels of the scene's points, as two cameras see them. */
function reprojection(a: Camera, viewmat: readonly number[], { points }: Dataset): number {
  const seen = (m: readonly number[], [x, y, z]: readonly number[]) => {
    const [u, v, depth] = [0, 4, 8].map((at) => dot([m[at], m[at + 1], m[at + 2]], [x, y, z]) + m[at + 3]);
    return [(a.fx * u) / depth, (a.fy * v) / depth];
  };
  let sum = 0;
  let count = 0;
  for (let i = 0; i < points.positions.length; i += 60, count++) {
    const point = [...points.positions.subarray(i, i + 3)];
    const [p, q] = [seen(a.viewmat, point), seen(viewmat, point)];
    sum += Math.hypot(p[0] - q[0], p[1] - q[1]);
  }
  return sum / count;
}

test('playbot with shaken cameras: points return to their pixels, and held-out views fit better', () =>
  withGpu(async (gpu) => {
    const { dataset: exact } = await load(gpu, {}, { colmap: PLAYBOT, downscale: 8 });
    const dataset = shaken(exact);
    const cameras = new Map(exact.views.map(({ name, camera }) => [name, camera]));
    const distance = (views: readonly { name: string; viewmat: readonly number[] }[]) => {
      const each = views.map(({ name, viewmat }) => reprojection(cameras.get(name)!, viewmat, exact));
      return each.reduce((total, value) => total + value, 0) / each.length;
    };
    const trained = async (poses: boolean) => {
      const gaussians = await init(gpu, { dataset }, { shDegree: 1 });
      const result = await trainScene(
        gpu,
        { dataset, gaussians },
        { steps: 300, cap: 5000, background: 'white', poses, rates: { poses: 3e-3 } },
      );
      const { scores } = await score(gpu, { ...result, dataset }, { metrics: ['psnr'], background: 'white' });
      releaseGaussians(result.gaussians);
      releaseGaussians(gaussians);
      return { psnr: scores[0].value, poses: result.poses };
    };
    const without = await trained(false);
    const refined = await trained(true);
    releaseDataset(exact);
    assert.is(without.poses, undefined);
    const views = refined.poses!.views;
    assert.is(views.length, 49);
    const start = distance(
      dataset.views.flatMap(({ name, split, camera }) =>
        split === 'train' ? { name, viewmat: camera.viewmat } : [],
      ),
    );
    const end = distance(views);
    assert.ok(end < 0.7 * start, `${start} pixels, ${end} at the end`);
    assert.ok(refined.psnr > without.psnr + 1, `${without.psnr} and ${refined.psnr} dB`);
  }));

test.run();
