import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import {
  type Camera,
  cameraCenter,
  cross,
  dot,
  lookAt,
  subtract,
  type Vec3,
} from '../stages/artefacts/camera.ts';
import type { Dataset, View } from '../stages/artefacts/dataset.ts';
import { orbitOptions } from '../stages/orbit/options.ts';
import { pathDrawing } from '../stages/orbit/path-drawing.ts';
import { chosenPath } from '../stages/orbit/paths/index.ts';
import type { Picture } from '../stages/orbit/paths/path.ts';
import { type Gpu, InputError } from '../wgsl/core/index.ts';
import { recordingReport } from './helpers/report.ts';
import { put, scratchFolder } from './helpers/scratch.ts';
import { ringDataset } from './helpers/tiny-scene.ts';
import { project } from './reference/warp-error.ts';

const PICTURE: Picture = { frames: 24, width: 64, height: 36 };
const UP: Vec3 = [0, -1, 0];
const near = (a: number, b: number, tolerance = 1e-9, message = '') =>
  assert.ok(Math.abs(a - b) <= tolerance, `${message} ${a} is not ${b}`);
const distance = (a: Vec3, b: Vec3) => Math.hypot(...subtract(a, b));

/** The cameras of a path of a capture; no path here uses the GPU. */
async function along(dataset: Dataset, path: object | string, picture = PICTURE) {
  const chosen = chosenPath(orbitOptions.parse({ path }).path);
  await chosen.path.check?.(chosen.options);
  const report = recordingReport();
  const scene = { dataset, gaussians: undefined as never };
  const input = { gpu: undefined as unknown as Gpu, scene, picture, report };
  return { ...(await chosen.path.cameras(input, chosen.options)), report, chosen };
}

const camera = (eye: Vec3, target: Vec3 = [0, 0, 0]): Camera => ({
  ...{ width: 40, height: 40, fx: 50, fy: 50, cx: 20, cy: 20 },
  viewmat: lookAt(eye, target, UP),
});
const capture = (cameras: readonly Camera[]): Dataset => ({
  ...ringDataset(),
  views: cameras.map(
    (one, i): View => ({ name: `photo${i}.jpg`, split: i % 4 ? 'train' : 'test', camera: one, image: null }),
  ),
});
/** A grid of cameras that look along +z. */
const wallCapture = () =>
  capture(
    Array.from({ length: 20 }, (_, i) => camera([(i % 5) - 2, Math.floor(i / 5) - 1.5, -8 + 0.1 * (i % 3)])),
  );

const steps = (cameras: readonly Camera[], closed: boolean) => {
  const eyes = cameras.map(cameraCenter);
  const ends = closed ? eyes : eyes.slice(0, -1);
  return ends.map((eye, i) => distance(eye, eyes[(i + 1) % eyes.length]));
};
const spread = (values: readonly number[]) => Math.max(...values) / Math.min(...values) - 1;

async function refuses(work: Promise<unknown>, pattern: RegExp) {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof InputError, `${error}`);
  assert.match(error.message, pattern);
}

test('the ellipse goes around the scene at even speed, through the axes of the cameras', async () => {
  const cameras = Array.from({ length: 32 }, (_, i) => {
    const angle = (2 * Math.PI * i) / 32;
    const [x, z] = [4 * Math.cos(angle), 2 * Math.sin(angle)];
    // The long axis is at 30° to x.
    const [c, s] = [Math.cos(Math.PI / 6), Math.sin(Math.PI / 6)];
    return camera([c * x - s * z, -1 - 0.2 * (i % 2), s * x + c * z]);
  });
  const dataset = capture(cameras);
  const { cameras: path, report } = await along(dataset, 'ellipse', { ...PICTURE, frames: 96 });
  assert.equal(report.warnings, []);
  assert.ok(spread(steps(path, true)) < 5e-3, `${spread(steps(path, true))}`);
  const [c, s] = [Math.cos(Math.PI / 6), Math.sin(Math.PI / 6)];
  for (const one of path) {
    const [x, y, z] = cameraCenter(one);
    // Semi-axes: the 90 % quantiles of 4·|cos| and 2·|sin|, here 0.98 of the ellipse on which the cameras are.
    const [u, v] = [c * x + s * z, c * z - s * x];
    near((u / 4) ** 2 + (v / 2) ** 2, 1, 0.06);
    assert.ok(y < -0.99 && y > -1.21);
    const middle = project(one, [0, 0, 0]);
    near(middle.x, 32, 1e-9);
    near(middle.y, 18, 1e-9);
    near(one.fx, (50 / 40) * 36, 1e-9, 'the smaller side keeps its angle');
  }
  const { cameras: rising } = await along(dataset, { ellipse: { rise: 1 } });
  const heights = rising.map((one) => -cameraCenter(one)[1]);
  near(Math.max(...heights) - Math.min(...heights), 0.2, 2e-3);
  const { report: wall } = await along(wallCapture(), 'ellipse');
  assert.match(wall.warnings.join(), /a gap of \d+°: a part of the ellipse shows what no photograph shows/);
  await refuses(
    along(capture([5, 6, 7, 8].map((z) => camera([0, 0, -z]))), 'ellipse'),
    /on one line with the centre.*spiral/,
  );
});

test('the spiral stays among the cameras, loops as often as asked, and is refused for cameras all around', async () => {
  const dataset = { ...wallCapture(), center: [0, 0, 0] as Vec3 };
  for (const turns of [1, 2, 3]) {
    const { cameras: path } = await along(dataset, { spiral: { turns } }, { ...PICTURE, frames: 60 * turns });
    assert.ok(spread(steps(path, true)) < 1e-2, `${spread(steps(path, true))}`);
    const eyes = path.map(cameraCenter);
    for (const [x, y, z] of eyes)
      assert.ok(Math.abs(x) <= 2.2 && Math.abs(y) <= 1.75 && z < -7.5 && z > -8.5, `${[x, y, z]}`);
    const crossings = eyes.filter(([, y], i) => y < -0.001 !== eyes[(i + 1) % eyes.length][1] < -0.001);
    assert.is(crossings.length, 2 * turns);
    for (const one of path) assert.ok(Math.abs(project(one, [0, 0, 0]).x - 32) < 1e-9);
  }
  const { cameras: still } = await along(dataset, { spiral: { radius: 0 } });
  assert.ok(Math.max(...steps(still, true)) < 1e-12);
  await refuses(along(ringDataset(), 'spiral'), /look in all; use path: turntable/);
});

test('interpolate passes through the chosen views at even speed', async () => {
  const dataset = wallCapture();
  const names = ['photo1.jpg', 'photo8', 'photo17.jpg'];
  const frames = 201;
  const { cameras: path } = await along(dataset, { interpolate: { views: names } }, { ...PICTURE, frames });
  const wanted = [1, 8, 17].map((i) => dataset.views[i].camera);
  for (const [i, one] of [path[0], path[frames - 1]].entries()) {
    const { viewmat } = wanted[2 * i];
    one.viewmat.forEach((value, k) => {
      near(value, viewmat[k], 1e-9);
    });
  }
  const nearest = Math.min(...path.map((one) => distance(cameraCenter(one), cameraCenter(wanted[1]))));
  assert.ok(nearest < 0.02, `${nearest}`);
  // Chords are a little shorter than arcs where the curve bends.
  assert.ok(spread(steps(path, false)) < 1e-2, `${spread(steps(path, false))}`);
  for (const { viewmat: m } of path) {
    const rows = [0, 4, 8].map((k): Vec3 => [m[k], m[k + 1], m[k + 2]]);
    near(dot(cross(rows[0], rows[1]), rows[2]), 1, 1e-9, 'a rotation');
  }
  near(path[7].fx, (50 / 40) * 36, 1e-9);
  const { cameras: loop } = await along(
    dataset,
    { interpolate: { loop: true } },
    { ...PICTURE, frames: 200 },
  );
  const [longest, total] = [
    Math.max(...steps(loop, true)),
    steps(loop, true).reduce((sum, step) => sum + step, 0),
  ];
  assert.ok(
    longest < (1.05 * total) / 200 + 0.02,
    `${longest} of ${total}: no jump, also where the loop closes`,
  );
  await refuses(
    along(dataset, { interpolate: { views: ['photo1', 'photo99'] } }),
    /names the view "photo99", and the capture has photo0.jpg, .*, …/,
  );
  await refuses(along(dataset, { interpolate: { views: ['photo1', 'photo1'] } }), /at one position/);
});

test('keyframes: targets stay in the middle, fov and time are those of the file', async () => {
  const folder = scratchFolder();
  const file = put(
    folder,
    'keys.yaml',
    `keyframes:
  - { position: [0, -1, -4], target: [0, 0, 0], fov: 40, time: 0 }
  - { position: [3, -1, -3], target: [0, 0, 0], fov: 60, time: 1 }
  - { position: [3, -1, -3], target: [0, 0, 0], fov: 60, time: 3 }
  - { position: [4, -1, 0], target: [0, 0, 0], fov: 30, time: 4 }
`,
  );
  const { cameras: path } = await along(ringDataset(), { keyframes: { file } }, { ...PICTURE, frames: 41 });
  for (const one of path) near(project(one, [0, 0, 0]).x, 32, 1e-9);
  const focal = (degrees: number) => 18 / Math.tan((degrees * Math.PI) / 360);
  for (const [frame, degrees] of [
    [0, 40],
    [10, 60],
    [20, 60],
    [30, 60],
    [40, 30],
  ]) {
    near(path[frame].fx, focal(degrees), 1e-9);
  }
  for (const frame of [10, 17, 30]) assert.ok(distance(cameraCenter(path[frame]), [3, -1, -3]) < 1e-9);
  // JSON, rotations, no times: even speed, and turning evenly about y.
  const half = Math.SQRT1_2;
  const json = put(
    folder,
    'keys.json',
    JSON.stringify({
      keyframes: [
        { position: [0, 0, 0], quaternion: [1, 0, 0, 0] },
        { position: [1, 0, 0], quaternion: [half, 0, half, 0] },
        { position: [3, 0, 0], quaternion: [-half, 0, -half, 0] },
      ],
    }),
  );
  const { cameras: turned } = await along(ringDataset(), { keyframes: { file: json } });
  assert.ok(spread(steps(turned, false)) < 2e-3);
  assert.equal(
    turned[0].viewmat.map((value) => Math.round(value)),
    [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1],
  );
  // A quarter turn about +y (down) turns forward (z) to x; −q is the same rotation, so the last two agree.
  for (const one of turned.slice(12)) assert.ok(one.viewmat[8] > 0.9, `${one.viewmat.slice(8, 11)}`);
  near(turned[0].fx, (50 / 40) * 36, 1e-9, 'without fov, the focal length of the capture');
});

test('a camera that looks straight down has a picture', async () => {
  const text = `keyframes:
  - { position: [-1, -5, 0], target: [0, 0, 0] }
  - { position: [1, -5, 0], target: [0, 0, 0] }
  - { position: [0, -6, 0], target: [0, 0, 0] }
`;
  const file = put(scratchFolder(), 'down.yaml', text);
  const { cameras } = await along(ringDataset(), { keyframes: { file } }, { ...PICTURE, frames: 101 });
  for (const { viewmat: m } of cameras) {
    const [right, down, forward] = [0, 4, 8].map((k): Vec3 => [m[k], m[k + 1], m[k + 2]]);
    near(dot(cross(right, down), forward), 1, 1e-6);
  }
});

test('bad keyframes: one sentence with the file and the place', async () => {
  const folder = scratchFolder();
  const keys = (text: string) => along(ringDataset(), { keyframes: { file: put(folder, 'k.yaml', text) } });
  const a = '{ position: [0, 0, 0], target: [0, 0, 1] }';
  const cases: [string, RegExp][] = [
    ['keyframes: [', /k\.yaml:1:\d+: is not valid YAML/],
    ['{}', /k\.yaml: keyframes: /],
    ['['.repeat(50_000), /k\.yaml:1:1: nested deeper than 64 levels/],
    [`keyframes: [${a}, { position: [1e300, 0, 0], target: [0, 0, 1] }]`, /keyframes\.1\.position\.0: /],
    [`keyframes: [${a}]`, /keyframes: expected at least two keyframes/],
    [`keyframes: [${a}, { position: [1, 0] , target: [0, 0, 1] }]`, /keyframes\.1\.position/],
    [
      `keyframes: [${a}, { position: [1, 0, 0] }]`,
      /keyframes\.1: expected exactly one of `target` and `quat/,
    ],
    [
      `keyframes: [${a}, { position: [1, 0, 0], target: [1, 0, 0] }]`,
      /keyframes\.1: the target is at the pos/,
    ],
    [
      `keyframes: [${a}, { position: [1, 0, 0], quaternion: [0, 0, 0, 0] }]`,
      /keyframes\.1\.quaternion: .*length of 0/,
    ],
    [`keyframes: [${a}, ${a}]`, /keyframes\.1\.position is that of the keyframe before it; give .* times/],
    [
      `keyframes: [${a}, { position: [1, 0, 0], target: [0, 0, 1], time: 1 }]`,
      /keyframes\.0 has no time, and others have/,
    ],
    [
      'keyframes: [{ position: [0, 0, 0], target: [0, 0, 1], time: 2 }, { position: [1, 0, 0], target: [0, 0, 1], time: 2 }]',
      /keyframes\.1\.time: 2 does not follow 2; expected increasing times/,
    ],
  ];
  for (const [text, pattern] of cases) await refuses(keys(text), pattern);
  await refuses(
    along(ringDataset(), { keyframes: { file: join(folder, 'none.yaml') } }),
    /none\.yaml: cannot be read/,
  );
});

test('nerfstudio: a frame for each camera, OpenGL axes, and the coordinates of the capture', async () => {
  const folder = scratchFolder();
  // OpenGL at (1, 2, 3), axes of the world: it looks along −z with +y up.
  const pose = [1, 0, 0, 1, 0, 1, 0, 2, 0, 0, 1, 3, 0, 0, 0, 1];
  const path = (extra: object = {}, m: number[] = pose) =>
    put(
      folder,
      'camera_path.json',
      JSON.stringify({ camera_path: [{ camera_to_world: m, fov: 60, aspect: 1 }], ...extra }),
    );
  const { cameras } = await along(ringDataset(), { nerfstudio: { file: path() } });
  assert.is(cameras.length, 1);
  assert.ok(distance(cameraCenter(cameras[0]), [1, 2, 3]) < 1e-12);
  const ahead = project(cameras[0], [1, 2, -1]);
  near(ahead.z, 4);
  assert.ok(project(cameras[0], [1, 2.5, -1]).y < ahead.y && project(cameras[0], [1.5, 2, -1]).x > ahead.x);
  near(cameras[0].fy, 18 / Math.tan(Math.PI / 6), 1e-9);
  // x → scale · (R x + t): a quarter turn about z, then back.
  const transform = [
    [0, -1, 0, 10],
    [1, 0, 0, 20],
    [0, 0, 1, 30],
  ];
  const transforms = put(folder, 'dataparser_transforms.json', JSON.stringify({ transform, scale: 0.5 }));
  const world: Vec3 = [4, 5, 6];
  const eye = transform.map(
    (row) => 0.5 * (row[0] * world[0] + row[1] * world[1] + row[2] * world[2] + row[3]),
  );
  const moved = [...pose];
  eye.forEach((value, k) => {
    moved[4 * k + 3] = value;
  });
  const back = await along(ringDataset(), { nerfstudio: { file: path({}, moved), transforms } });
  assert.ok(distance(cameraCenter(back.cameras[0]), world) < 1e-12);
  const chosen = back.chosen.path;
  const madeFor = await chosen.check?.({ file: path({ render_width: 400, render_height: 800 }) });
  assert.is(madeFor?.aspect, 0.5);
  const cases: [object, number[], RegExp][] = [
    [
      { camera_type: 'equirectangular' },
      pose,
      /camera_path\.json: camera_type: found "equirect.*expected "persp/,
    ],
    [{ camera_path: [] }, pose, /camera_path: is empty/],
    [{}, pose.map((value) => 2 * value), /camera_path\.0\.camera_to_world: is not a pose/],
    [{}, pose.slice(1), /camera_path\.0\.camera_to_world: expected 16 numbers/],
  ];
  for (const [extra, m, pattern] of cases)
    await refuses(along(ringDataset(), { nerfstudio: { file: path(extra, m) } }), pattern);
});

test('views are the cameras of the capture, whole, and separate', async () => {
  const dataset = wallCapture();
  const { cameras, unordered } = await along(
    dataset,
    { views: { split: 'test' } },
    { ...PICTURE, width: 40, height: 40 },
  );
  assert.is(unordered, true);
  const test = dataset.views.filter(({ split }) => split === 'test');
  assert.equal(
    cameras,
    test.map((view) => view.camera),
  );
  const { cameras: all } = await along(dataset, { views: { split: 'all' } });
  assert.is(all.length, 20);
  // The corners of the photograph are inside a wider picture, at its top and bottom edges.
  const corner = all[3];
  const { camera: own } = dataset.views[3];
  const m = own.viewmat;
  const ray = [0, 1, 2].map((k) => 5 * ((-20 / 50) * m[k] + (-20 / 50) * m[4 + k] + m[8 + k]));
  const at = project(corner, cameraCenter(own).map((value, k) => value + ray[k]) as unknown as Vec3);
  near(at.x, 32 - 18, 1e-9);
  near(at.y, 0, 1e-9);
  await refuses(along(ringDataset(), { views: { split: 'test' } }), /finds no test view; set load\.holdout/);
});

test('the drawing is small, repeats, and has the path, the views and the points', async () => {
  const dataset = wallCapture();
  const positions = Float32Array.from({ length: 60_000 }, (_, i) => Math.sin(i * 12.9898) * 3);
  const scene = { ...dataset, points: { positions, colors: new Uint8Array(60_000) } };
  const { cameras } = await along(dataset, 'spiral', { ...PICTURE, frames: 120 });
  const svg = pathDrawing(scene, cameras);
  assert.is(svg, pathDrawing(scene, cameras));
  assert.ok(svg.length < 32_768, `${svg.length} bytes`);
  const count = (pattern: RegExp) => svg.match(pattern)?.length ?? 0;
  assert.is(count(/<svg/g), 1);
  const dots = /stroke="#b8bec6" stroke-width="4" d="([^"]*)"/.exec(svg)![1];
  assert.ok(dots.split('M').length > 1000);
  const line = /stroke="#15803d" stroke-width="3"><path d="M([^"]*)"/.exec(svg)![1].split('L');
  assert.is(line.length, 120);
  const [, , width, height] = /viewBox="(\d+) (\d+) (\d+) (\d+)"/.exec(svg)!.slice(1).map(Number);
  for (const point of line) {
    const [x, y] = point.split(' ').map(Number);
    assert.ok(x >= 40 && x <= width - 40 && y >= 40 && y <= height - 40, point);
  }
  // The cameras are at −z of the scene, which is below it in the drawing.
  const rows = line.map((point) => Number(point.split(' ')[1]));
  const ys = [...dots.matchAll(/M\d+ (\d+)/g)].map(([, y]) => Number(y));
  assert.ok(Math.min(...rows) > ys.reduce((sum, y) => sum + y, 0) / ys.length);
  assert.ok(pathDrawing(ringDataset(), cameras).includes('training views'), 'no points are no error');
});

test('options: one path at a time, and those with required options by map only', () => {
  const path = (value: unknown) => orbitOptions.safeParse({ path: value });
  assert.equal(orbitOptions.parse({}).path, { turntable: { turn: 'auto', start: 0 } });
  assert.equal(path('spiral').data?.path, { spiral: { turns: 2, radius: 1 } });
  assert.equal(orbitOptions.parse(path('spiral').data).path, path('spiral').data?.path, 'parsed twice');
  assert.not(path('keyframes').success);
  assert.not(path({ spiral: {}, ellipse: {} }).success);
  assert.not(path({ spiral: { turn: 2 } }).success);
  assert.not(path('cameras').success);
});

test('the examples of docs/outputs.md give paths', async () => {
  const page = await readFile(new URL('../docs/outputs.md', import.meta.url), 'utf8');
  const section = page.split('\n## ').find((part) => part.startsWith('Camera paths of `orbit`'))!;
  const blocks = [...section.matchAll(/```(\w+) ([\w./-]+)\n(.*?)```/gs)];
  const folder = scratchFolder();
  const examples = [];
  for (const [, , name, text] of blocks) {
    if (name === 'pipeline.yaml') examples.push(...(parse(text) as { orbit: { path: object } }[]));
    else put(folder, name, text);
  }
  const tried = new Set<string>();
  for (const { orbit } of examples) {
    const path = JSON.parse(JSON.stringify(orbit.path), (key, value) =>
      key === 'file' || key === 'transforms' ? join(folder, value) : value,
    );
    const { path: option } = orbitOptions.parse({ ...orbit, path });
    const { path: row, options } = chosenPath(option);
    tried.add(row.name);
    if (row.usesSplat) continue;
    const dataset = ['ellipse', 'turntable'].includes(row.name) ? ringDataset() : wallCapture();
    const { cameras } = await along(dataset, { [row.name]: options });
    assert.ok(cameras.length > 0, row.name);
  }
  for (const name of Object.keys((await import('../stages/orbit/paths/index.ts')).PATHS)) {
    assert.ok(tried.has(name), `docs/outputs.md has an example of ${name}`);
  }
});

test.run();
