import sharp from 'sharp';
import { readMask } from '../../../stages/load/masks.ts';
import { readPicture } from '../../../stages/load/pictures.ts';
import { type LoadInput, loadOptions, loadStage } from '../../../stages/load/stage.ts';
import { FILES } from '../../../stages/orbit/files/index.ts';
import { checkVideo, extractFrames } from '../../../stages/sfm/frames.ts';
import { haveOneSize } from '../../../stages/sfm/pictures.ts';
import { silent } from '../../../stages/stage.ts';
import { binaryModel, textModel, tinyCapture } from '../../helpers/colmap.ts';
import { scratchFolder } from '../../helpers/scratch.ts';
import { crc } from '../../helpers/splat-files.ts';
import { i420Bytes } from '../../reference/to-i420.ts';
import type { Kind } from '../mutate.ts';
import { type Files, fileTarget, type Target } from './target.ts';

const preflight = (options: LoadInput) => loadStage.preflight!(loadOptions.parse(options));

const noisePicture = (channels: 3 | 4 = 3) =>
  sharp(Buffer.from(Array.from({ length: 24 * 16 * channels }, (_, i) => (i * 2654435761) >>> 24)), {
    raw: { width: 24, height: 16, channels },
  });
const pictureFile = (format: 'png' | 'jpeg' | 'webp') => () => noisePicture().toFormat(format).toBuffer();
const PICTURE = {
  calibrated: { width: 24, height: 16 },
  downscale: 1,
  maxBytes: 2 ** 27,
};

/** Checksums of the chunks of a PNG as they must be, so that changes reach what lies behind them. */
function withChecksums(png: Buffer): Buffer {
  const fixed = Buffer.from(png);
  for (let at = 8; at + 12 <= fixed.length; ) {
    const end = at + 8 + fixed.readUInt32BE(at);
    if (end + 4 > fixed.length) break;
    fixed.writeUInt32BE(crc(fixed.subarray(at + 4, end)), end);
    at = end + 4;
  }
  return fixed;
}

async function capture(files: Files): Promise<Files> {
  const { images } = tinyCapture();
  const pictures = await Promise.all(
    images.slice(0, 3).map(async ({ name }) => [`images/${name}`, await pictureFile('png')()] as const),
  );
  return { ...files, ...Object.fromEntries(pictures) };
}

/** The tiny capture with three pictures, and with a lens that has to be undistorted. */
function distortedCapture() {
  const { images, points } = tinyCapture();
  const params = [60, 62, 32, 24, -0.1, 0.01, 0.001, 0.001];
  return {
    cameras: [{ id: 7, model: 'OPENCV', width: 64, height: 48, params }],
    images: images.slice(0, 3),
    points,
  };
}

const transforms = JSON.stringify({
  ...{ fl_x: 60, fl_y: 60, cx: 32, cy: 24, w: 64, h: 48, k1: -0.1, k2: 0.01, p1: 0.001, p2: 0 },
  ply_file_path: 'points.ply',
  train_filenames: ['images/view 0.png', 'images/view 1.png'],
  test_filenames: ['images/view 2.png'],
  frames: [0, 1, 2].map((i) => ({
    file_path: `images/view ${i}.png`,
    transform_matrix: [
      [1, 0, 0, i],
      [0, 1, 0, 0],
      [0, 0, 1, 4],
      [0, 0, 0, 1],
    ],
  })),
});

const pointHeader = (format: string) =>
  `ply\nformat ${format} 1.0\nelement vertex 4\nproperty float x\nproperty float y\nproperty float z\n` +
  'property uchar red\nproperty uchar green\nproperty uchar blue\nend_header\n';
const asciiPoints = `${pointHeader('ascii')}${'0 1 2 255 0 9\n'.repeat(4)}`;
const binaryPoints = Buffer.concat([Buffer.from(pointHeader('binary_little_endian')), Buffer.alloc(60, 62)]);

/** The points of a transforms.json. */
const pointsTarget = (name: string, contents: Uint8Array | string, kind: Kind): Target => ({
  name,
  files: () => capture({ 'transforms.json': transforms, 'points.ply': contents }),
  changes: { 'points.ply': kind },
  weight: 2,
  read: (folder) => preflight({ transforms: folder }),
});

/** Cameras and points. */
export const CAPTURES: readonly Target[] = [
  {
    name: 'COLMAP .bin',
    files: async () => {
      const model = binaryModel(distortedCapture());
      return capture(
        Object.fromEntries(Object.entries(model).map(([name, data]) => [`sparse/0/${name}`, data])),
      );
    },
    changes: {
      'sparse/0/cameras.bin': 'bytes',
      'sparse/0/images.bin': 'bytes',
      'sparse/0/points3D.bin': 'bytes',
    },
    weight: 4,
    read: (folder) => preflight({ colmap: folder }),
  },
  {
    name: 'COLMAP .txt',
    files: () => capture(textModel(distortedCapture())),
    changes: { 'cameras.txt': 'text', 'images.txt': 'text', 'points3D.txt': 'text' },
    weight: 4,
    read: (folder) => preflight({ colmap: folder }),
  },
  {
    name: 'transforms.json',
    files: () => capture({ 'transforms.json': transforms, 'points.ply': asciiPoints }),
    changes: { 'transforms.json': 'json' },
    weight: 4,
    read: (folder) => preflight({ transforms: folder }),
  },
  pointsTarget('points .ply', binaryPoints, 'bytes'),
  pointsTarget('points .ply, ASCII', asciiPoints, 'text'),
];

export const PICTURES: readonly Target[] = [
  ...(['png', 'jpeg', 'webp'] as const).map((format) =>
    fileTarget(
      `picture ${format.toUpperCase()}`,
      [`photo.${format}`, 'bytes'],
      pictureFile(format),
      (path) => readPicture(path, PICTURE),
      { wrap: format === 'png' ? withChecksums : undefined, weight: 2 },
    ),
  ),
  fileTarget(
    'picture with alpha',
    ['photo.png', 'bytes'],
    () => noisePicture(4).png().toBuffer(),
    (path) => readPicture(path, { ...PICTURE, masking: 'remove' }),
  ),
  fileTarget(
    'mask',
    ['mask.png', 'bytes'],
    () => noisePicture().toColourspace('b-w').png().toBuffer(),
    (path) => readMask(path, { width: 24, height: 16 }),
    { wrap: withChecksums },
  ),
  {
    name: 'photographs without cameras',
    files: async () => ({ 'a.jpg': await pictureFile('jpeg')(), 'b.png': await pictureFile('png')() }),
    changes: { 'a.jpg': 'bytes', 'b.png': 'bytes' },
    read: (folder) => haveOneSize(folder, ['a.jpg', 'b.png']),
  },
];

async function video(format: 'mp4' | 'webm'): Promise<Uint8Array> {
  const [width, height] = [64, 48];
  const written: Uint8Array[] = [];
  const write = async (_path: string, bytes: Uint8Array | string) => void written.push(Buffer.from(bytes));
  const about = {
    stem: 'walk',
    folder: 'frames',
    poster: 'poster',
    kind: 'rgb',
    fps: 24,
    width,
    height,
  } as const;
  const writer = await FILES[format].open({ write }, about);
  for (let i = 0; i < 6; i++) {
    const rgba = Uint8Array.from({ length: 4 * width * height }, (_, k) => ((k >> 4) * (i + 3)) & 255);
    await writer.add(i420Bytes(rgba, width, height), String(i));
  }
  await writer.finish();
  return written.at(-1)!;
}

export const VIDEOS: readonly Target[] = (['mp4', 'webm'] as const).map((format) =>
  fileTarget(
    `video .${format}`,
    [`walk.${format}`, 'bytes'],
    () => video(format),
    async (path) => {
      await checkVideo(path);
      await extractFrames(path, { frames: 3, folder: scratchFolder(), report: silent });
    },
  ),
);
