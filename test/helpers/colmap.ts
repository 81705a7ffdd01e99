import sharp from 'sharp';
import type { ColmapCamera } from '../../stages/load/colmap/cameras.ts';
import type { ColmapImage } from '../../stages/load/colmap/images.ts';
import {
  type ColmapPoint,
  encodeCameras,
  encodeImages,
  encodePoints,
} from '../../stages/load/colmap/write.ts';
import { put, scratchFolder } from './scratch.ts';

export interface TinyCapture {
  cameras: ColmapCamera[];
  images: ColmapImage[];
  points: ColmapPoint[];
}

/** Nine cameras on an arc of 90° at 4 units from the origin, all looking at it, upright (y down), and six points. */
export function tinyCapture(): TinyCapture {
  const images = Array.from({ length: 9 }, (_, i): ColmapImage => {
    const half = ((i - 4) * Math.PI) / 32; // half of the angle about y
    return {
      id: i + 1,
      name: `view ${i}.png`, // COLMAP's names may have blanks
      cameraId: 7,
      quat: [Math.cos(half), 0, Math.sin(half), 0],
      translation: [0, 0, 4],
    };
  });
  const points = Array.from({ length: 6 }, (_, i): ColmapPoint => {
    const at = [0, 0, 0];
    at[i % 3] = i < 3 ? 0.5 : -0.5;
    return { position: [at[0], at[1], at[2]], color: [255, 40 * i, 0] };
  });
  const cameras: ColmapCamera[] = [
    { id: 7, model: 'PINHOLE', width: 64, height: 48, params: [60, 62, 32, 24] },
  ];
  return { cameras, images, points };
}

/** The model as three binary files. */
export function binaryModel({ cameras, images, points }: TinyCapture): Record<string, Uint8Array> {
  return {
    'cameras.bin': encodeCameras(cameras),
    'images.bin': encodeImages(images),
    'points3D.bin': encodePoints(points),
  };
}

/** The model as three text files, with COLMAP's comments and empty lines of 2D points. */
export function textModel({ cameras, images, points }: TinyCapture): Record<string, string> {
  const line = (...fields: unknown[]) => `${fields.flat().join(' ')}\n`;
  const cameraLines = cameras.map((c) => line(c.id, c.model, c.width, c.height, c.params));
  const imageLines = images.map((i) => `${line(i.id, i.quat, i.translation, i.cameraId, i.name)}\n`);
  const pointLines = points.map((p, i) => line(i + 1, p.position, p.color, 0.5, '1 0 2 1'));
  return {
    'cameras.txt': `# Camera list\n${cameraLines.join('')}`,
    'images.txt': `# Image list\n#   two lines each\n${imageLines.join('')}`,
    'points3D.txt': `# Points\n${pointLines.join('')}`,
  };
}

/** Writes a whole capture with pictures of one colour each (`32, 64, 16·i`); gives its folder. */
export async function writeCapture(
  capture: TinyCapture,
  { width = 64, height = 48, place = 'sparse/0' } = {},
): Promise<string> {
  const folder = scratchFolder();
  for (const [name, bytes] of Object.entries(binaryModel(capture))) put(folder, `${place}/${name}`, bytes);
  for (const [i, { name }] of capture.images.entries()) {
    const picture = sharp({
      create: { width, height, channels: 3, background: { r: 32, g: 64, b: 16 * i } },
    });
    put(folder, `images/${name}`, await picture.png().toBuffer());
  }
  return folder;
}
