/** Captures with cameras in transforms.json, in three dialects, and `load.path`. */
import { readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import type { Dataset } from '../stages/artefacts/dataset.ts';
import { releaseDataset } from '../stages/artefacts/dataset.ts';
import { emptyGaussians } from '../stages/artefacts/gaussians.ts';
import { encodePly } from '../stages/artefacts/gaussians-ply.ts';
import { viewmatOf } from '../stages/load/colmap/images.ts';
import { readModel } from '../stages/load/colmap/model.ts';
import { readPointCloud } from '../stages/load/point-cloud.ts';
import { transformsReader } from '../stages/load/readers/transforms.ts';
import { type LoadInput, load, loadOptions, loadStage } from '../stages/load/stage.ts';
import { stageGives, stageReads } from '../stages/stage.ts';
import { assertClose } from './helpers/close.ts';
import { tinyCapture, writeCapture } from './helpers/colmap.ts';
import { withGpu } from './helpers/gpu.ts';
import { recordingReport } from './helpers/report.ts';
import { put, scratchFolder } from './helpers/scratch.ts';
import { testWithData } from './helpers/shared-data.ts';
import { throwsInput } from './helpers/throws.ts';

const PLAYBOT = fileURLToPath(new URL('../scenes/playbot', import.meta.url));

type Frame = Record<string, unknown> & { file_path: string; transform_matrix: number[][] };
type Transforms = Record<string, unknown> & { frames: Frame[] };

/** Camera → world with OpenGL's axes: the inverse of [R t], with columns y and z negated. */
function openGlPose(viewmat: readonly number[]): number[][] {
  const rows = [0, 1, 2].map((r) => {
    const center = -[0, 1, 2].reduce((sum, k) => sum + viewmat[4 * k + r] * viewmat[4 * k + 3], 0);
    return [viewmat[r], -viewmat[4 + r], -viewmat[8 + r], center];
  });
  return [...rows, [0, 0, 0, 1]];
}

/** The cameras of a COLMAP capture as transforms.json, with intrinsics in each frame. */
async function convert(colmap: string): Promise<Transforms> {
  const model = await readModel(colmap);
  const frames = model.images.map((image): Frame => {
    const { width, height, params, model: kind } = model.cameras.get(image.cameraId)!;
    const [fx, fy, cx, cy] = kind === 'PINHOLE' ? params : [params[0], ...params];
    return {
      ...{ fl_x: fx, fl_y: fy, cx, cy, w: width, h: height },
      file_path: `images/${image.name}`,
      transform_matrix: openGlPose(viewmatOf(image)),
    };
  });
  return { frames };
}

/** A tiny capture with COLMAP's model and transforms.json; `change` edits the latter. */
async function writeTransforms(change: (json: Transforms) => void = () => {}): Promise<string> {
  const folder = await writeCapture(tinyCapture(), { place: 'model' });
  const json = await convert(join(folder, 'model'));
  change(json);
  put(folder, 'transforms.json', JSON.stringify(json));
  return folder;
}

const preflight = (options: LoadInput) => loadStage.preflight!(loadOptions.parse(options));
const survey = (path: string, images = 'images') =>
  transformsReader.files(path, loadOptions.parse({ transforms: path, images }));

function assertSameDataset(a: Dataset, b: Dataset): void {
  assert.equal(
    a.views.map(({ name, split }) => ({ name, split })),
    b.views.map(({ name, split }) => ({ name, split })),
  );
  const numbers = ({ views, points, up, center, extent }: Dataset) => [
    ...views.flatMap(({ camera: { viewmat, ...rest } }) => [...Object.values(rest), ...viewmat]),
    ...[...points.positions, ...points.colors, ...up, ...center, extent],
  ];
  assertClose(numbers(a), numbers(b), { absolute: 1e-6 });
}

test('a capture reads the same from COLMAP’s model and from transforms.json, by key and by path', () =>
  withGpu(async (gpu) => {
    const model = await readModel(PLAYBOT);
    const { positions, colors } = model.readPoints();
    const folder = scratchFolder();
    symlinkSync(join(PLAYBOT, 'images'), join(folder, 'images'));
    const count = positions.length / 3;
    const header = (format: string) =>
      `ply\nformat ${format} 1.0\nelement vertex ${count}\nproperty float x\nproperty float y\nproperty float z\n` +
      'property uchar red\nproperty uint8 green\nproperty uchar blue\nend_header\n';
    const rows = Array.from({ length: count }, (_, i) =>
      [...positions.slice(3 * i, 3 * i + 3), ...colors.slice(3 * i, 3 * i + 3)].join(' '),
    );
    put(folder, 'ascii.ply', `${header('ascii')}${rows.join('\n')}\n`);
    const body = Buffer.alloc(15 * count);
    for (let i = 0; i < count; i++) {
      for (let c = 0; c < 3; c++) {
        body.writeFloatLE(positions[3 * i + c], 15 * i + 4 * c);
        body[15 * i + 12 + c] = colors[3 * i + c];
      }
    }
    put(folder, 'binary.ply', Buffer.concat([Buffer.from(header('binary_little_endian')), body]));
    const json = await convert(PLAYBOT);
    put(folder, 'transforms.json', JSON.stringify({ ...json, ply_file_path: 'ascii.ply' }));
    const fromBinary = JSON.stringify({ ...json, ply_file_path: './binary.ply' });
    const other = put(folder, 'other.json', fromBinary);

    const downscale = 16;
    const report = recordingReport();
    const { dataset: expected } = await load(gpu, {}, { path: PLAYBOT, downscale }, { report });
    const { dataset: whole } = await load(gpu, {}, { path: folder, downscale }, { report });
    const { dataset: single } = await load(gpu, {}, { transforms: other, downscale }, { report });
    assertSameDataset(whole, expected);
    assertSameDataset(single, expected);
    for (const at of [0, 55]) {
      const pixels = (dataset: Dataset) => gpu.readWords(dataset.views[at].image!, 'test');
      assert.equal(await pixels(whole), await pixels(expected));
    }
    const text = '49 train and 7 test views, 16×16, 5000 points';
    assert.equal(report.notes, [
      `found a COLMAP capture: ${text}`,
      `found cameras in transforms.json: ${text}`,
      text,
    ]);
    assert.equal(report.warnings, []);
    for (const dataset of [expected, whole, single]) releaseDataset(dataset);
  }));

test('Blender: an angle, no suffix, pictures with alpha, and files for the splits', () =>
  withGpu(async (gpu) => {
    const folder = scratchFolder();
    const { frames } = await convert(await writeCapture(tinyCapture()));
    const clear = { r: 9, g: 8, b: 7, alpha: 0.5 };
    const picture = sharp({ create: { width: 40, height: 30, channels: 4, background: clear } });
    const png = await picture.png().toBuffer();
    for (const [i, split] of ['train', 'test', 'val'].entries()) {
      const own = frames.slice(3 * i, 3 * i + 3).map(({ transform_matrix }, k) => {
        put(folder, `${split}/r_${k}.png`, png);
        put(folder, `${split}/r_${k}.jpg`, 'the second choice');
        return { file_path: `./${split}/r_${k}`, rotation: 0.01, transform_matrix };
      });
      put(folder, `transforms_${split}.json`, JSON.stringify({ camera_angle_x: Math.PI / 2, frames: own }));
    }
    const report = recordingReport();
    const { dataset } = await load(gpu, {}, { path: folder }, { report });
    assert.equal(
      dataset.views.map(({ name, split }) => `${split}: ${name}`),
      ['test', 'train'].flatMap((split) => [0, 1, 2].map((k) => `${split}: ${split}/r_${k}.png`)),
    );
    const { viewmat, ...intrinsics } = dataset.views[3].camera;
    assertClose(Object.values(intrinsics), [40, 30, 20, 20, 20, 15], { absolute: 1e-12 });
    assertClose(viewmat, viewmatOf(tinyCapture().images[0]), { absolute: 1e-12 });
    assert.equal(report.warnings, [
      '6 pictures have an alpha channel; it is ignored, without blending (load.masking takes it as a mask)',
    ]);
    assert.equal(report.notes, [
      'found cameras in transforms.json: 3 train and 3 test views, 40×30, 0 points',
    ]);
    releaseDataset(dataset);
    const { files } = await stageReads(loadStage, loadOptions.parse({ path: folder }));
    assert.is(files!.length, 2 + 6);
    const alone = join(folder, 'transforms_val.json');
    assert.is((await survey(alone)).length, 1 + 3);
  }));

test('instant-ngp: shared intrinsics, which a frame overrides; a coefficient of no effect; missing pictures', () =>
  withGpu(async (gpu) => {
    const folder = await writeTransforms((json) => {
      json.frames = json.frames.map(({ file_path, transform_matrix }) => ({ file_path, transform_matrix }));
      Object.assign(json, { fl_x: 60, camera_angle_x: 2, w: 64, h: 48, k1: 1e-7, p2: 0, is_fisheye: false });
      Object.assign(json.frames[1], { fl_x: 70, fl_y: 71, cx: 30, cy: 20 });
      json.frames[2].file_path = 'images/gone.png';
    });
    const report = recordingReport();
    const { dataset } = await load(gpu, {}, { transforms: folder, holdout: 0 }, { report });
    const intrinsics = dataset.views.slice(0, 3).map(({ camera: { viewmat: _, ...rest } }) => rest);
    assert.equal(intrinsics, [
      { width: 64, height: 48, fx: 60, fy: 60, cx: 32, cy: 24 },
      { width: 64, height: 48, fx: 70, fy: 71, cx: 30, cy: 20 },
      { width: 64, height: 48, fx: 60, fy: 60, cx: 32, cy: 24 },
    ]);
    assert.is(dataset.views[2].name, 'view 3.png');
    const file = join(folder, 'transforms.json');
    assert.equal(report.warnings, [
      `${file}: 1 of 9 frames have no picture and are left out: images/gone.png`,
    ]);
    releaseDataset(dataset);
  }));

test('the option `images` replaces the folder in the paths', async () => {
  const folder = await writeTransforms();
  symlinkSync(join(folder, 'images'), join(folder, 'photos'));
  assert.ok((await survey(folder, 'photos')).includes(join(folder, 'photos/view 8.png')));
  await throwsInput(() => survey(folder, 'pictures'), 'none of its 9 pictures exists', 'set `images`');
  const other = await writeTransforms(({ frames }) => {
    for (const frame of frames) frame.file_path = `view/${frame.file_path}`;
  });
  await throwsInput(() => survey(other, 'photos'), 'no file_path begins with images/', 'images: photos');
});

test('what cannot be trained on is refused with its place', async () => {
  const cases: [change: (json: Transforms) => void, ...patterns: string[]][] = [
    [(json) => Object.assign(json, { k5: 0.1 }), 'with k5 or k6', 'run COLMAP'],
    [
      (json) =>
        Object.assign(json, {
          fl_x: 20,
          camera_model: 'OPENCV_FISHEYE',
          frames: json.frames.map(({ fl_x: _, ...rest }) => rest),
        }),
      'at most 110°',
    ],
    [(json) => Object.assign(json, { camera_model: 'EQUIRECTANGULAR' }), 'EQUIRECTANGULAR'],
    [({ frames }) => frames[3].transform_matrix.splice(2), 'frames.3.transform_matrix', '4 rows'],
    [({ frames }) => frames[3].transform_matrix[1].pop(), 'frames.3.transform_matrix.1', 'four numbers'],
    [({ frames }) => frames[3].transform_matrix[0].fill(2), 'frames.3.transform_matrix: is not a pose'],
    [
      ({ frames }) => {
        const [first, second, ...rest] = frames[3].transform_matrix; // a reflection
        frames[3].transform_matrix = [second, first, ...rest];
      },
      'frames.3.transform_matrix: is not a pose',
    ],
    [({ frames }) => Object.assign(frames[2], { fl_x: -1 }), 'frames.2.fl_x'],
    [({ frames }) => Object.assign(frames[2], { w: 1.5 }), 'frames.2.w'],
    [({ frames }) => Object.assign(frames[2], { file_path: 7 }), 'frames.2.file_path'],
    [({ frames }) => delete frames[2].fl_x, 'frames.2 has no focal length', 'camera_angle_x'],
    [
      ({ frames }) => Object.assign(frames[2], { file_path: '../x.png' }),
      'frames.2.file_path',
      'leads out of the folder',
    ],
    [({ frames }) => Object.assign(frames[2], { file_path: '/x.png' }), 'leads out of the folder'],
    [
      ({ frames }) => Object.assign(frames[2], { file_path: 'images/view 1.png' }),
      'frames.2.file_path',
      'appears twice',
    ],
    [(json) => Object.assign(json, { frames: [] }), 'frames', 'is empty'],
    [(json) => Object.assign(json, { frames: 3 }), 'frames'],
    [(json) => Object.assign(json, { ply_file_path: 'a.ply' }), 'ply_file_path', 'is missing'],
    [(json) => Object.assign(json, { test_filenames: ['a.png'] }), 'test_filenames.0', 'of no frame'],
    [(json) => Object.assign(json, { train_filenames: [] }), 'train_filenames is empty'],
    [
      (json) => {
        const both = [json.frames[1].file_path];
        Object.assign(json, { train_filenames: both, test_filenames: both });
      },
      'test_filenames.0',
      'is in train_filenames too',
    ],
    [(json) => Object.assign(json.frames[2], { mask_path: '/a.png' }), 'frames.2.mask_path', 'leads out'],
    [
      (json) => Object.assign(json, { ply_file_path: '../a.ply' }),
      'ply_file_path',
      'leads out of the folder',
    ],
  ];
  for (const [change, ...patterns] of cases) {
    const folder = await writeTransforms(change);
    await throwsInput(() => preflight({ transforms: folder }), join(folder, 'transforms.json'), ...patterns);
  }
  const folder = scratchFolder();
  await throwsInput(() => preflight({ transforms: put(folder, 'a.json', '{"frames": [') }), 'is not JSON');
  await throwsInput(
    () => preflight({ transforms: folder }),
    'has no transforms.json and no transforms_train.json',
  );
  const whole = await writeTransforms();
  await throwsInput(
    () => preflight({ transforms: whole, holdout: 1 }),
    'holdout 1 leaves none of the 9 views',
  );
});

test('nerfstudio’s lists of file names give the splits, and mask_path the masks', () =>
  withGpu(async (gpu) => {
    const names = (first: number, end: number) =>
      Array.from({ length: end - first }, (_, i) => `images/view ${first + i}.png`);
    const splitsOf = async (lists: object, report = recordingReport()) => {
      const folder = await writeTransforms((json) => Object.assign(json, lists));
      const { dataset } = await load(gpu, {}, { transforms: folder }, { report });
      releaseDataset(dataset);
      return dataset.views.map(({ name, split }) => `${split} ${name.slice(5, 6)}`).join(', ');
    };
    const report = recordingReport();
    const lists = { train_filenames: names(3, 6), val_filenames: names(0, 1), test_filenames: names(6, 8) };
    const expected = 'train 3, train 4, train 5, test 6, test 7';
    assert.is(await splitsOf(lists, report), expected);
    assert.match(report.warnings[0], '4 of 9 frames are in no list of filenames and are left out');
    assert.match(
      report.warnings[0],
      'images/view 0.png, images/view 1.png, images/view 2.png, images/view 8.png',
    );
    assert.is(
      await splitsOf({ val_filenames: ['./images/view 1.png'] }),
      'train 0, test 1, train 2, train 3, train 4, train 5, train 6, train 7, train 8',
    );

    const folder = await writeTransforms((json) => {
      json.frames[4].mask_path = 'mattes/of four.png';
    });
    const mask = sharp({ create: { width: 64, height: 48, channels: 3, background: 'white' } });
    put(folder, 'mattes/of four.png', await mask.png().toBuffer());
    const { dataset } = await load(gpu, {}, { transforms: folder, masking: 'ignore' });
    const masked = dataset.views.flatMap(({ masking }, i) => (masking ? [i] : []));
    assert.equal(masked, [4]);
    releaseDataset(dataset);
  }));

test('a point cloud: colours are optional, points that are not finite are skipped, damage is refused', async () => {
  const folder = scratchFolder();
  const header = (count: number, more = '') =>
    `ply\nformat ascii 1.0\nelement vertex ${count}\nproperty float x\nproperty double y\nproperty float z\n${more}end_header\n`;
  const read = (text: string) => readPointCloud(put(folder, 'points.ply', text));
  const { positions, colors, skipped } = await read(`${header(3)}1 2 3\nnan 0 0\r\n-4 5e0 6\n`);
  assert.equal([...positions, ...colors, skipped], [1, 2, 3, -4, 5, 6, ...Array(6).fill(128), 1]);
  await throwsInput(() => read(`${header(3)}1 2 3\n`), 'points.ply', 'vertex 1 of 3');
  await throwsInput(() => read(`${header(2)}1 2 3\n1 x 3\n`), 'vertex 1 of 2 is "1 x 3"');
  await throwsInput(() => read(`${header(4e9)}1 2 3\n`), 'vertex 1 of 4000000000');
  await throwsInput(() => read(header(1).replace('float z', 'float w')), 'has no positions');
  const floats = 'property float red\nproperty float green\nproperty float blue\n';
  await throwsInput(() => read(`${header(1, floats)}1 2 3 0 0 0\n`), 'not of type uchar');
  const binary = header(9).replace('ascii', 'binary_little_endian');
  await throwsInput(() => read(`${binary}short`), 'is truncated', '9 vertices of 16 bytes, and 5 bytes');
});

test('`path` takes every kind, and the error about another path lists them', async () => {
  const gives = (path: string) => stageGives(loadStage, loadOptions.parse({ path }));
  const folder = scratchFolder();
  assert.equal(gives(PLAYBOT), ['dataset']);
  assert.equal(gives(await writeTransforms()), ['dataset']);
  for (const name of ['a.ply', 'b.sog', 'meta.json']) {
    assert.equal(gives(put(folder, name, '')), ['dataset', 'gaussians']);
  }
  await throwsInput(
    () => preflight({ path: folder }),
    folder,
    'a COLMAP capture (',
    'transforms.json',
    '*.ply',
  );
  for (const sources of [{}, { path: folder, colmap: folder }, { transforms: folder, ply: 'a.ply' }]) {
    assert.throws(() => loadOptions.parse(sources), /exactly one of `path`/);
  }
});

test('the examples of docs/inputs.md load', async () => {
  const text = readFileSync(new URL('../docs/inputs.md', import.meta.url), 'utf8');
  const examples = [...text.matchAll(/`(load: \{[^`]*\})`/g)].map(([, example]) => example);
  const transforms = await writeTransforms();
  const ply = put(scratchFolder(), 'splat.ply', await encodePly(emptyGaussians(1, 0)));
  const photos = join(PLAYBOT, 'images');
  const places: Record<string, string> = {
    colmap: PLAYBOT,
    transforms,
    path: transforms,
    photos,
    video: ply,
    ply,
  };
  const keys = new Set<string>();
  for (const example of examples) {
    const { load: options } = parse(example) as { load: Record<string, string> };
    const [key] = Object.keys(options);
    keys.add(key);
    await preflight({ ...options, [key]: places[key] });
  }
  assert.equal([...keys].sort(), ['colmap', 'path', 'photos', 'ply', 'transforms', 'video']);
});

testWithData(test, 'fox_transforms.json', 'the fox of instant-ngp loads, undistorted', async (path) => {
  await withGpu(async (gpu) => {
    const report = recordingReport();
    const { dataset } = await load(gpu, {}, { path, images: 'fox_photos', downscale: 16 }, { report });
    assert.match(
      report.notes[0],
      /^found cameras in transforms\.json: 43 train and 7 test views, 3\d×\d\d, 0 points$/,
    );
    assert.match(report.warnings[0], '17 of 67 frames have no picture and are left out: images/0005.jpg');
    releaseDataset(dataset);
  });
});

test.run();
