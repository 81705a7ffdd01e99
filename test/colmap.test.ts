import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CAMERA_MODEL_NAMES, cameraModelByName } from '../stages/load/colmap/camera-models.ts';
import { calibrationOf, readCamerasBinary, readCamerasText } from '../stages/load/colmap/cameras.ts';
import { readImagesBinary, readImagesText } from '../stages/load/colmap/images.ts';
import { readModel } from '../stages/load/colmap/model.ts';
import { readPointsBinary, readPointsText } from '../stages/load/colmap/points.ts';
import { encodeCameras } from '../stages/load/colmap/write.ts';
import { binaryModel, textModel, tinyCapture } from './helpers/colmap.ts';
import { put, scratchFolder } from './helpers/scratch.ts';
import { testWithData } from './helpers/shared-data.ts';
import { throwsInput } from './helpers/throws.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

const BINARY = {
  'cameras.bin': readCamerasBinary,
  'images.bin': readImagesBinary,
  'points3D.bin': readPointsBinary,
} as const;
const TEXT = {
  'cameras.txt': readCamerasText,
  'images.txt': readImagesText,
  'points3D.txt': readPointsText,
} as const;

test('binary and text give the same model', async () => {
  const capture = tinyCapture();
  const [binary, text] = [scratchFolder(), scratchFolder()];
  for (const [name, contents] of Object.entries(binaryModel(capture)))
    put(binary, `sparse/${name}`, contents);
  for (const [name, contents] of Object.entries(textModel(capture))) put(text, name, contents);
  const [a, b] = [await readModel(binary), await readModel(text)];
  assert.equal(a.folder, join(binary, 'sparse'));
  assert.equal(b.folder, join(text, '.'));
  for (const model of [a, b]) {
    assert.equal([...model.cameras.values()], capture.cameras);
    assert.equal(model.images, capture.images);
    assert.equal(
      [...model.readPoints().positions],
      capture.points.flatMap(({ position }) => [...position]),
    );
    assert.equal(
      [...model.readPoints().colors],
      capture.points.flatMap(({ color }) => [...color]),
    );
    assert.is(model.readPoints().skipped, 0);
  }
});

/** Models of COLMAP that `load` reads and does not undistort. */
const REFUSED = ['RAD_TAN_THIN_PRISM_FISHEYE', 'SIMPLE_DIVISION', 'DIVISION', 'EUCM', 'EQUIRECTANGULAR'];

test('every camera model of COLMAP parses; those that have no lens are refused with the names of the others', async () => {
  assert.is(CAMERA_MODEL_NAMES.length, 18);
  const cameras = CAMERA_MODEL_NAMES.map((name, i) => {
    const model = cameraModelByName(name)!;
    assert.is(model.id, i);
    return {
      id: 100 + i,
      model: model.name,
      width: 40,
      height: 30,
      params: Array.from({ length: model.params }, (_, k) => 10 + k),
    };
  });
  const read = [...readCamerasBinary('cameras.bin', encodeCameras(cameras)).values()];
  const lines = cameras.map((c) => `${c.id} ${c.model} 40 30 ${c.params.join(' ')}\r\n`);
  assert.equal(read, cameras);
  assert.equal([...readCamerasText('cameras.txt', bytes(lines.join(''))).values()], cameras);
  for (const camera of read) {
    const calibrate = () => calibrationOf(camera, 'cameras.bin');
    if (REFUSED.includes(camera.model)) {
      await throwsInput(
        calibrate,
        'cameras.bin',
        `camera ${camera.id} has the model ${camera.model}`,
        'OPENCV, OPENCV_FISHEYE, FULL_OPENCV',
        '--ImageReader.camera_model OPENCV',
      );
      continue;
    }
    const { width, height, lens } = calibrate();
    assert.equal([width, height, lens.fx], [40, 30, 10], camera.model);
    // One focal length, or two.
    const single =
      camera.params.length < 4 || camera.model.startsWith('SIMPLE') || camera.model.startsWith('RADIAL');
    assert.equal([lens.fy, lens.cx, lens.cy], single ? [10, 11, 12] : [11, 12, 13], camera.model);
  }
});

test('a binary file cut anywhere is an error that names the byte', async () => {
  const files = binaryModel(tinyCapture());
  for (const [name, read] of Object.entries(BINARY)) {
    const whole = files[name];
    for (let length = 0; length < whole.length; length++) {
      await throwsInput(() => read(name, whole.subarray(0, length)), name, /byte \d+/);
    }
    const longer = new Uint8Array(whole.length + 3);
    longer.set(whole);
    await throwsInput(() => read(name, longer), name, `byte ${whole.length}: 3 bytes follow`);
  }
});

test('counts of 2^63 and other impossible sizes are refused before anything is allocated', async () => {
  const files = binaryModel(tinyCapture());
  for (const [name, read] of Object.entries(BINARY)) {
    for (const count of [2n ** 63n, 2n ** 64n - 1n, 1_000_000n, 2n ** 32n]) {
      const broken = files[name].slice();
      new DataView(broken.buffer).setBigUint64(0, count, true);
      await throwsInput(() => read(name, broken), name, 'byte 0', `${count}`);
    }
  }
  // The list of 2D points of the first image: its count follows the name.
  const images = files['images.bin'].slice();
  const at = 8 + 4 + 56 + 4 + 'view 0.png'.length + 1;
  new DataView(images.buffer).setBigUint64(at, 2n ** 61n, true);
  await throwsInput(() => readImagesBinary('images.bin', images), `byte ${at}`, '2D points of "view 0.png"');
  // The track of the first point.
  const points = files['points3D.bin'].slice();
  new DataView(points.buffer).setBigUint64(8 + 8 + 24 + 3 + 8, 2n ** 62n, true);
  await throwsInput(() => readPointsBinary('points3D.bin', points), 'byte 51', 'observations');
});

test('two images of one id, and cameras of impossible sizes, are refused', async () => {
  const capture = tinyCapture();
  const twice = { ...capture, images: capture.images.map((image) => ({ ...image, id: 7 })) };
  await throwsInput(
    () => readImagesBinary('images.bin', binaryModel(twice)['images.bin']),
    'images.bin',
    /byte \d+/,
    'image 7 appears twice',
  );
  await throwsInput(
    () => readImagesText('images.txt', bytes(textModel(twice)['images.txt'])),
    'images.txt',
    'image 7 appears twice',
  );
  const [camera] = capture.cameras;
  // The undistorted camera of such a picture takes ten seconds.
  const long = encodeCameras([{ ...camera, width: 2 ** 19 }]);
  await throwsInput(
    () => readCamerasBinary('cameras.bin', long),
    '524288×',
    'expected sides from 1 to 65536',
  );
});

test('no single changed byte makes a reader throw anything but InputError', () => {
  const files = { ...binaryModel(tinyCapture()) };
  for (const [name, contents] of Object.entries(textModel(tinyCapture()))) files[name] = bytes(contents);
  let refused = 0;
  for (const [name, read] of Object.entries({ ...BINARY, ...TEXT })) {
    for (let at = 0; at < files[name].length; at++) {
      for (const value of [0, 0xff, 0x0a, 0x80, files[name][at] ^ 1]) {
        const broken = files[name].slice();
        broken[at] = value;
        try {
          read(name, broken);
        } catch (error) {
          refused++;
          assert.is(
            (error as Error).name,
            'InputError',
            `${name}, byte ${at} = ${value}: ${(error as Error).stack}`,
          );
        }
      }
    }
  }
  assert.ok(refused > 500, `only ${refused} of the changes were refused`);
});

test('contradictions are refused', async () => {
  const [camera] = tinyCapture().cameras;
  const [image] = tinyCapture().images;
  const cases: [Partial<ReturnType<typeof tinyCapture>>, ...(RegExp | string)[]][] = [
    [{ cameras: [camera, camera] }, 'camera 7 appears twice'],
    [{ cameras: [{ ...camera, width: 0 }] }, '0×48'],
    [{ cameras: [{ ...camera, width: 2 ** 40 }] }, 'expected sides'],
    [{ cameras: [{ ...camera, params: [0, 60, 32, 24] }] }, 'focal length 0, 60'],
    [{ cameras: [{ ...camera, params: [Number.NaN, 60, 32, 24] }] }, 'parameter 0 of camera 7 is NaN'],
    [{ cameras: [{ ...camera, id: 8 }] }, 'camera 7', 'it has 8'],
    [{ images: [] }, 'no images'],
    [{ images: [image, { ...image, id: 2 }] }, 'has the same name as another image'],
    [{ images: [{ ...image, quat: [0, 0, 0, 0] }] }, 'not a rotation'],
    [{ images: [{ ...image, translation: [0, Number.POSITIVE_INFINITY, 0] }] }, 'Infinity'],
    ...['../../secret.png', '/etc/passwd', 'C:\\x.png', 'a/../../b.png', '..'].map(
      (name): [Partial<ReturnType<typeof tinyCapture>>, string] => [
        { images: [{ ...image, name }] },
        'leads out of the image folder',
      ],
    ),
  ];
  for (const [change, ...patterns] of cases) {
    const folder = scratchFolder();
    const model = binaryModel({ ...tinyCapture(), ...change });
    for (const [name, contents] of Object.entries(model)) put(folder, `sparse/0/${name}`, contents);
    await throwsInput(async () => (await readModel(folder)).readPoints(), folder, ...patterns);
  }
});

test('text: errors name the line', async () => {
  const cases: [keyof typeof TEXT, string, number, string][] = [
    ['cameras.txt', '# c\n\n1 PINHOL 4 4 1 1 1 1\n', 3, '"PINHOL"'],
    ['cameras.txt', '1 PINHOLE 4 4 1 1 1\n', 1, 'has 3 parameters, expected 4'],
    ['cameras.txt', '1 PINHOLE 4 -4 1 1 1 1\n', 1, 'a camera height is "-4"'],
    ['cameras.txt', '1 PINHOLE 4 99999999999999999999 1 1 1 1\n', 1, 'a camera height'],
    ['cameras.txt', '1 PINHOLE\n', 1, 'has 2 fields'],
    ['images.txt', '1 1 0 0 0 0 0 0 7 a.png\n\n2 1 0 0 x 0 0 0 7 b.png\n\n', 3, 'the pose of image 2 is "x"'],
    ['images.txt', '1 1 0 0 0 0 0 0 7\n', 1, 'has 9 fields'],
    ['points3D.txt', '1 0 0 0 255 256 0 0.1\n', 1, 'a colour is "256"'],
    ['points3D.txt', `# p\n1 0 0 ${'9'.repeat(300)}e999 0 0 0 0.1\n`, 2, 'a coordinate'],
    ['points3D.txt', '1 0 0\n', 1, 'has 3 fields'],
  ];
  for (const [name, text, line, pattern] of cases) {
    await throwsInput(() => TEXT[name](name, bytes(text)), `${name}:${line}: `, pattern);
  }
  await throwsInput(
    () => readCamerasText('cameras.txt', new Uint8Array(65 * 2 ** 20).fill(0x41)),
    'cameras.txt:1: ',
    'expected a COLMAP text file',
  );
});

test('points that are not finite are skipped and counted', () => {
  const text = '1 1 2 3 9 9 9 0\n2 nan 0 0 1 1 1 0\n3 0 -inf 0 1 1 1 0\n4 4 5 6 8 8 8 0 1 2\n';
  const points = readPointsText('points3D.txt', bytes(text));
  assert.is(points.skipped, 2);
  assert.equal([...points.positions], [1, 2, 3, 4, 5, 6]);
  assert.equal([...points.colors], [9, 9, 9, 8, 8, 8]);
  const capture = tinyCapture();
  capture.points[1] = { position: [Number.NaN, 0, 0], color: [1, 2, 3] };
  capture.points[2] = { position: [0, 1e39, 0], color: [1, 2, 3] };
  const binary = readPointsBinary('points3D.bin', binaryModel(capture)['points3D.bin']);
  assert.is(binary.skipped, 2);
  assert.is(binary.positions.length, 12);
});

test('the error of a folder without a model states the expected files', async () => {
  const folder = scratchFolder();
  await throwsInput(() => readModel(join(folder, 'nowhere')), 'nowhere', 'missing');
  await throwsInput(
    () => readModel(folder),
    'sparse/0',
    'cameras, images and points3D',
    'automatic_reconstructor',
  );
  const nerf = join(folder, 'nerf');
  put(folder, 'nerf/transforms_train.json', '{}');
  await throwsInput(() => readModel(nerf), 'found transforms.json', `load it with \`transforms: ${nerf}\``);
  put(folder, 'sog/meta.json', '{}');
  put(folder, 'sog/means_l.webp', '');
  await throwsInput(() => readModel(join(folder, 'sog')), `ply: ${join(folder, 'sog', 'meta.json')}`);
  put(folder, 'splat/scene.spz', '');
  await throwsInput(() => readModel(join(folder, 'splat')), `ply: ${join(folder, 'splat', 'scene.spz')}`);
  put(folder, 'sparse/0/cameras.bin', new Uint8Array(8));
  await throwsInput(() => readModel(folder), 'no images.bin and no points3D.bin');
  await throwsInput(() => readModel(put(folder, 'file', 'x')), 'not a folder');
});

testWithData(test, 'colmap_fixture', 'a model by COLMAP itself is read', async (folder) => {
  const { cameras, images, readPoints } = await readModel(folder);
  const points = readPoints();
  assert.ok(cameras.size > 0 && images.length > 1 && points.positions.length > 300);
  assert.is(points.skipped, 0);
  for (const { quat } of images) assert.ok(Math.abs(Math.hypot(...quat) - 1) < 1e-6);
});

testWithData(test, 'fox', 'the fox has 50 views and 14,748 points', async (folder) => {
  const { cameras, images, readPoints } = await readModel(folder);
  assert.equal([cameras.size, images.length, readPoints().positions.length / 3], [1, 50, 14748]);
  assert.is(images[0].name, '0001.jpg');
});

test.run();
