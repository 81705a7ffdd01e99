/**
 * Creates `scenes/playbot/`, the capture of the demo, from the splat "PLAYBOT" (see its LICENSE.txt):
 *
 *     npx tsx scenes/make-playbot.ts SPLAT     (SPLAT: the meta.json of the SOG, or any splat that `load` reads)
 *
 * Renders the splat on rings of cameras, and writes the pictures and a COLMAP model with points on the visible surface.
 * The same splat and adapter give the same files.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { argv, exit } from 'node:process';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { type Camera, lookAt, type Vec3 } from '../stages/artefacts/camera.ts';
import {
  emptyGaussians,
  GAUSSIAN_PARAMETERS,
  type HostGaussians,
  parameterWidths,
  uploadGaussians,
} from '../stages/artefacts/gaussians.ts';
import { importGaussians } from '../stages/artefacts/gaussians-import.ts';
import { encodeCameras, encodeImages, encodePoints } from '../stages/load/colmap/write.ts';
import { openGpu } from '../wgsl/core/index.ts';
import { SplatRenderer } from '../wgsl/splat/renderer.ts';
import { quatOf, surfacePoints, toBytes } from './playbot-points.ts';

const SIZE = 256;
const FOCAL = 350; // pixels: 40° of view
const TARGET: Vec3 = [0, -0.5, 0]; // the robot's middle; y points down
/** The ground is cropped to a disc of this radius, without the large Gaussians that extend beyond it. */
const GROUND = { radius: 0.4, height: 0.15, largest: 0.03 };
const UP: Vec3 = [0, -1, 0];
const BACKGROUND = [1, 1, 1] as const;
const POINTS = 5000;
const WEBP = { nearLossless: true, quality: 60, effort: 6 }; // at least 52 dB: equivalent to lossless for training
/** Degrees above the horizon, distance in world units, number of views. The last ring is nearly overhead. */
const RINGS = [
  { name: 'a-low', elevation: 6, distance: 1.95, count: 20 },
  { name: 'b-middle', elevation: 24, distance: 2, count: 20 },
  { name: 'c-high', elevation: 48, distance: 2.05, count: 12 },
  { name: 'd-top', elevation: 74, distance: 2.1, count: 4 },
];

interface RenderedView {
  name: string;
  camera: Camera;
  /** f32 [H,W,4] and [H,W], as rendered. */
  color: Float32Array;
  depth: Float32Array;
}

const [, , source] = argv;
if (!source) {
  console.error('usage: npx tsx scenes/make-playbot.ts SPLAT');
  exit(2);
}
const folder = join(dirname(fileURLToPath(import.meta.url)), 'playbot');
const host = withoutFarGround((await importGaussians(source)).gaussians);
const views = await renderViews();
const points = surfacePoints(host, views, POINTS);
await write();
console.log(`${views.length} views and ${points.length} points in ${folder}`);
exit(0);

function withoutFarGround(splat: HostGaussians): HostGaussians {
  const rows = Array.from({ length: splat.count }, (_, i) => i).filter((i) => {
    const [x, y, z] = splat.means.subarray(3 * i, 3 * i + 3);
    const largest = Math.exp(Math.max(...splat.logScales.subarray(3 * i, 3 * i + 3)));
    return -y > GROUND.height || (Math.hypot(x, z) < GROUND.radius && largest < GROUND.largest);
  });
  const kept = emptyGaussians(rows.length, splat.shDegree);
  const widths = parameterWidths(splat.shDegree);
  for (const name of GAUSSIAN_PARAMETERS) {
    const width = widths[name];
    rows.forEach((row, i) => {
      kept[name].set(splat[name].subarray(width * row, width * (row + 1)), width * i);
    });
  }
  return kept;
}

async function renderViews(): Promise<RenderedView[]> {
  const gpu = await openGpu();
  const splat = uploadGaussians(gpu, 'playbot', host, 'splat-in');
  const renderer = await SplatRenderer.create(gpu, 'playbot/renderer');
  const color = gpu.buffer('playbot/color', 16 * SIZE * SIZE);
  const depth = gpu.buffer('playbot/depth', 4 * SIZE * SIZE);
  const made: RenderedView[] = [];
  for (const { name, camera } of cameras()) {
    await renderer.render(splat, camera, { color, depth }, { background: BACKGROUND });
    made.push({
      name,
      camera,
      color: await gpu.readFloats(color, 'frames', 4 * SIZE * SIZE),
      depth: await gpu.readFloats(depth, 'frames', SIZE * SIZE),
    });
  }
  return made;
}

function cameras(): { name: string; camera: Camera }[] {
  return RINGS.flatMap(({ name, elevation, distance, count }, ring) =>
    Array.from({ length: count }, (_, i) => {
      const azimuth = (2 * Math.PI * (i + ring / RINGS.length)) / count;
      const tilt = (elevation * Math.PI) / 180;
      const eye: Vec3 = [
        TARGET[0] + distance * Math.cos(tilt) * Math.sin(azimuth),
        TARGET[1] - distance * Math.sin(tilt),
        TARGET[2] + distance * Math.cos(tilt) * Math.cos(azimuth),
      ];
      const camera: Camera = {
        width: SIZE,
        height: SIZE,
        fx: FOCAL,
        fy: FOCAL,
        cx: SIZE / 2,
        cy: SIZE / 2,
        viewmat: lookAt(eye, TARGET, UP),
      };
      return { name: `${name}-${String(i).padStart(2, '0')}.webp`, camera };
    }),
  );
}

async function write(): Promise<void> {
  for (const part of ['images', 'sparse']) await rm(join(folder, part), { recursive: true, force: true });
  await mkdir(join(folder, 'images'), { recursive: true });
  await mkdir(join(folder, 'sparse/0'), { recursive: true });
  for (const { name, color } of views) {
    const raw = { width: SIZE, height: SIZE, channels: 3 as const };
    const bytes = await sharp(toBytes(color), { raw }).webp(WEBP).toBuffer();
    await writeFile(join(folder, 'images', name), bytes);
  }
  const params = [FOCAL, FOCAL, SIZE / 2, SIZE / 2];
  const model = (name: string) => join(folder, 'sparse/0', `${name}.bin`);
  await writeFile(
    model('cameras'),
    encodeCameras([{ id: 1, model: 'PINHOLE', width: SIZE, height: SIZE, params }]),
  );
  await writeFile(
    model('images'),
    encodeImages(
      views.map(({ name, camera: { viewmat: m } }, i) => ({
        id: i + 1,
        name,
        cameraId: 1,
        quat: quatOf(m),
        translation: [m[3], m[7], m[11]],
      })),
    ),
  );
  await writeFile(model('points3D'), encodePoints(points));
}
