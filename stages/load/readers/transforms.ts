import { existsSync, type Stats, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import * as z from 'zod';
import { InputError } from '../../../wgsl/core/index.ts';
import { cross, dot, isRotation, normalize, type Vec3 } from '../../artefacts/camera.ts';
import type { View } from '../../artefacts/dataset.ts';
import { checkJson, readJson } from '../../artefacts/json.ts';
import { leadsOut } from '../../artefacts/zip-directory.ts';
import type { Capture, CaptureOptions, CapturePhotograph } from '../capture.ts';
import { lensOf } from '../lens.ts';
import type { Photograph } from '../photographs.ts';
import { pictureSize } from '../pictures.ts';
import { readPointCloud } from '../point-cloud.ts';
import { type Calibration, MAX_SIDE } from '../undistorted-camera.ts';
import { captureReader } from './reader.ts';

/** One file for all views (instant-ngp, nerfstudio). */
const WHOLE = 'transforms.json';
/** Blender's files: the views to train on, and those to hold out, of which the first that exists is taken. */
const TRAIN = 'transforms_train.json';
const HELD_OUT = ['transforms_test.json', 'transforms_val.json'];

/** Tried in this order where `file_path` names no file. */
const SUFFIXES = ['.png', '.jpg', '.jpeg', '.webp'];
/** The folder in `file_path` that the option `images` replaces. */
const IMAGES = 'images';
/** A distortion coefficient up to this moves no pixel of a photograph visibly: less than 0.01 pixels at 45° off the axis. */
const NO_DISTORTION = 1e-6;
/** Tolerance of the last row of `transform_matrix`. */
const ROW_TOLERANCE = 1e-3;
const COEFFICIENTS = ['k1', 'k2', 'k3', 'k4', 'k5', 'k6', 'p1', 'p2'] as const;
const FISHEYE = 'OPENCV_FISHEYE';
const PINHOLE_MODELS = ['PINHOLE', 'SIMPLE_PINHOLE', 'OPENCV'];

/** `transforms.json` of instant-ngp and nerfstudio, and Blender's three files. */
export const transformsReader = captureReader({
  key: 'transforms',
  title: 'cameras in transforms.json',
  shape: `a .json file, or a folder with ${WHOLE} or ${TRAIN}`,
  recognises: (path) =>
    isFolder(path)
      ? [WHOLE, TRAIN].some((name) => existsSync(join(path, name)))
      : path.toLowerCase().endsWith('.json') && !basename(path).toLowerCase().endsWith('meta.json'),
  survey,
});

const focal = z.number().positive().optional();
const side = z.int().min(1).max(MAX_SIDE).optional();
const angle = z.number().gt(0).lt(Math.PI).optional();
const coefficient = z.number().optional();

/** Intrinsics, for all frames at the top of the file, or for one frame. Lengths in pixels, angles in radians. */
const intrinsicsSchema = z.object({
  ...{ fl_x: focal, fl_y: focal, cx: coefficient, cy: coefficient, w: side, h: side },
  ...{ camera_angle_x: angle, camera_angle_y: angle },
  camera_model: z.string().optional(),
  is_fisheye: z.boolean().optional(),
  ...Object.fromEntries(COEFFICIENTS.map((name) => [name, coefficient])),
}) as z.ZodType<Intrinsics>;

type Intrinsics = Partial<
  Record<
    | ('fl_x' | 'fl_y' | 'cx' | 'cy' | 'w' | 'h' | 'camera_angle_x' | 'camera_angle_y')
    | (typeof COEFFICIENTS)[number],
    number
  >
> & { camera_model?: string; is_fisheye?: boolean };

const row = z.array(z.number()).length(4, 'expected four numbers');
/** At most 1000 characters: some file systems refuse longer paths. */
const pathText = z.string().min(1).max(1000);
const filenames = z.array(pathText).optional();
const fileSchema = z.object({
  ply_file_path: pathText.optional(),
  train_filenames: filenames,
  val_filenames: filenames,
  test_filenames: filenames,
  frames: z
    .array(
      z.object({
        file_path: pathText,
        mask_path: pathText.optional(),
        transform_matrix: z
          .array(row)
          .min(3, 'expected a camera-to-world matrix of 4 rows')
          .max(4, 'expected a camera-to-world matrix of 4 rows'),
      }),
    )
    .min(1, 'is empty; expected at least one frame'),
});

/** A frame whose picture exists. */
interface Frame {
  name: string;
  path: string;
  /** Where it is in its file, for errors: `frames.3`. */
  key: string;
  intrinsics: Intrinsics;
  viewmat: number[];
  mask?: string;
  /** From the lists of the file. */
  split?: View['split'];
}

interface TransformsFile {
  file: string;
  frames: Frame[];
  /** The paths of frames without a picture. */
  missing: string[];
  /** The paths of frames in none of the file's lists. */
  unlisted: string[];
  pointCloud?: string;
}

async function survey(path: string, options: CaptureOptions): Promise<Capture> {
  const chosen = chooseFiles(path);
  const calibrations = new Map<string, Calibration>();
  const parts = await Promise.all(
    chosen.map(async ({ file, split }) => {
      const transforms = await readTransforms(file, options.images);
      const photographs = await Promise.all(
        transforms.frames.map(async (frame) => ({
          ...(await photographOf(file, frame, calibrations)),
          split: split ?? frame.split,
        })),
      );
      return { ...transforms, photographs };
    }),
  );
  const photographs: CapturePhotograph[] = parts.flatMap((part) => part.photographs);
  photographs.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  const cloud = parts.find(({ pointCloud }) => pointCloud)?.pointCloud;
  return {
    place: chosen[0].file,
    folder: dirname(chosen[0].file),
    files: [...chosen.map(({ file }) => file), ...(cloud ? [cloud] : [])],
    photographs,
    readPoints: () =>
      cloud ? readPointCloud(cloud) : { positions: new Float32Array(), colors: new Uint8Array(), skipped: 0 },
    warnings: parts.flatMap(({ file, missing, unlisted, frames }) => {
      const count = missing.length + unlisted.length + frames.length;
      const leftOut = (paths: string[], why: string) =>
        paths.length
          ? [`${file}: ${paths.length} of ${count} frames ${why} and are left out: ${paths.join(', ')}`]
          : [];
      return [...leftOut(missing, 'have no picture'), ...leftOut(unlisted, 'are in no list of filenames')];
    }),
  };
}

/** The files of a path, each with the split that it stands for. */
function chooseFiles(path: string): { file: string; split?: View['split'] }[] {
  if (!isFolder(path)) return [{ file: path }];
  if (existsSync(join(path, WHOLE))) return [{ file: join(path, WHOLE) }];
  if (!existsSync(join(path, TRAIN))) {
    throw new InputError(`has no ${WHOLE} and no ${TRAIN}; give the path of the .json file itself`, path);
  }
  const heldOut = HELD_OUT.map((name) => join(path, name)).find((file) => existsSync(file));
  return [
    { file: join(path, TRAIN), split: 'train' },
    ...(heldOut ? [{ file: heldOut, split: 'test' as const }] : []),
  ];
}

async function readTransforms(file: string, images: string): Promise<TransformsFile> {
  const json = await readJson(file);
  const parsed = checkJson(file, fileSchema, json);
  const raw = json as { frames: unknown[] };
  const shared = checkJson(file, intrinsicsSchema, json);
  const folder = dirname(file);
  if (images !== IMAGES && !parsed.frames.some(({ file_path }) => file_path.match(/^(\.\/)*images\//))) {
    throw new InputError(
      `no file_path begins with ${IMAGES}/, which the option \`images\` replaces; leave out \`images: ${images}\``,
      file,
    );
  }
  const frames: Frame[] = [];
  const missing: string[] = [];
  const unlisted: string[] = [];
  const names = new Set<string>();
  const splits = listedSplits(file, parsed);
  for (const [i, { file_path, transform_matrix, mask_path }] of parsed.frames.entries()) {
    const key = `frames.${i}`;
    const relative = withoutDot(file_path);
    checkInside(file, `${key}.file_path`, relative);
    const viewmat = viewmatOf(transform_matrix, file, `${key}.transform_matrix`);
    const inImages = relative.startsWith(`${IMAGES}/`);
    const below = inImages ? relative.slice(IMAGES.length + 1) : relative;
    const stem = inImages ? join(folder, images, below) : join(folder, below);
    const suffix = ['', ...SUFFIXES].find((end) => isFile(stem + end));
    if (suffix === undefined) {
      missing.push(file_path);
      continue;
    }
    const name = below + suffix;
    if (names.has(name)) {
      throw new InputError(`${key}.file_path: ${JSON.stringify(file_path)} appears twice`, file);
    }
    names.add(name);
    const split = splits?.get(relative) ?? splits?.get(OTHERS);
    if (splits && !split) {
      unlisted.push(file_path);
      continue;
    }
    if (mask_path) checkInside(file, `${key}.mask_path`, mask_path);
    const mask = mask_path && join(folder, mask_path);
    const own = checkKey(file, key, raw.frames[i]);
    frames.push({ name, path: stem + suffix, key, intrinsics: { ...shared, ...own }, viewmat, mask, split });
  }
  if (!frames.length) {
    const tried = SUFFIXES.join(', ');
    throw new InputError(
      `none of its ${missing.length} pictures exists below ${folder}, as named or with ${tried}: ${missing.slice(0, 3).join(', ')}, …; ` +
        `set \`images\` to the folder, relative to ${folder}, that replaces ${IMAGES}/`,
      file,
    );
  }
  const cloud = parsed.ply_file_path;
  const pointCloud = cloud && fileBelow(file, 'ply_file_path', cloud);
  return { file, frames, missing, unlisted, pointCloud };
}

/** In place of a path: frames that no list has. No file has this name. */
const OTHERS = '';

/**
 * The splits that nerfstudio's lists of file names give, by path; undefined without lists. `test_filenames` are held out (`val_filenames`
 * without them), `train_filenames` trained on; without the latter, all other frames are.
 */
function listedSplits(
  file: string,
  { frames, train_filenames, val_filenames, test_filenames }: z.output<typeof fileSchema>,
): Map<string, View['split']> | undefined {
  const heldOut = test_filenames ?? val_filenames;
  if (!train_filenames && !heldOut) return undefined;
  if (train_filenames?.length === 0)
    throw new InputError('train_filenames is empty: no view is left to train on', file);
  const splits = new Map<string, View['split']>(train_filenames ? [] : [[OTHERS, 'train']]);
  const known = new Set(frames.map(({ file_path }) => withoutDot(file_path)));
  const heldOutKey = test_filenames ? 'test_filenames' : 'val_filenames';
  for (const [key, list, split] of [
    ['train_filenames', train_filenames, 'train'],
    [heldOutKey, heldOut, 'test'],
  ] as const) {
    for (const [i, name] of (list ?? []).entries()) {
      const path = withoutDot(name);
      if (!known.has(path)) {
        throw new InputError(`${key}.${i}: ${JSON.stringify(name)} is the file_path of no frame`, file);
      }
      if (splits.has(path) && splits.get(path) !== split) {
        throw new InputError(
          `${key}.${i}: ${JSON.stringify(name)} is in train_filenames too; a view is trained on or held out, so remove it from one`,
          file,
        );
      }
      splits.set(path, split);
    }
  }
  return splits;
}

function withoutDot(path: string): string {
  return path.replace(/^(\.\/+)+/, '');
}

/** The intrinsics of one frame, with the place of the frame in errors. */
function checkKey(file: string, key: string, frame: unknown): Intrinsics {
  const [list, index] = key.split('.');
  const schema = z.object({ [list]: z.object({ [index]: intrinsicsSchema }) });
  return checkJson(file, schema, { [list]: { [index]: frame } })[list][index];
}

/** A file that the key names. @throws InputError when it is missing or elsewhere. */
function fileBelow(file: string, key: string, path: string): string {
  checkInside(file, key, path);
  const full = join(dirname(file), path);
  if (!isFile(full)) throw new InputError(`${key}: ${full} is missing; add it, or remove the key`, file);
  return full;
}

/** Files stay below the folder of transforms.json, as the pictures of COLMAP below theirs. */
function checkInside(file: string, key: string, path: string): void {
  if (leadsOut(path)) {
    throw new InputError(
      `${key}: ${JSON.stringify(path)} leads out of the folder; expected a path below ${dirname(file)}`,
      file,
    );
  }
}

/** `calibrations`: those of earlier frames, because pictures of one camera share one calibration. */
async function photographOf(
  file: string,
  { name, path, key, intrinsics, viewmat, mask }: Frame,
  calibrations: Map<string, Calibration>,
): Promise<Photograph> {
  const { w, h } = intrinsics;
  const size = w && h ? { width: w, height: h } : await pictureSize(path);
  const id = JSON.stringify([file, intrinsics, size]);
  const calibration = calibrations.get(id) ?? calibrationOf(intrinsics, size, file, key);
  calibrations.set(id, calibration);
  return { name, path, viewmat, calibration, mask };
}

/**
 * The lens of a frame. A focal length in pixels is taken before an angle; the vertical one defaults to the horizontal one,
 * the principal point to the centre. Coefficients are those of OpenCV, with `k1` to `k4` as one polynomial, as in nerfstudio.
 * @throws InputError without a focal length, and for other camera models.
 */
function calibrationOf(
  intrinsics: Intrinsics,
  { width, height }: { width: number; height: number },
  file: string,
  key: string,
): Calibration {
  const { fl_x, fl_y, camera_angle_x, camera_angle_y, cx = width / 2, cy = height / 2 } = intrinsics;
  const fromAngle = (size: number, angle?: number) => angle && size / 2 / Math.tan(angle / 2);
  const fx = fl_x ?? fromAngle(width, camera_angle_x);
  if (!fx) {
    throw new InputError(
      `${key} has no focal length: expected fl_x (pixels) or camera_angle_x (radians), there or at the top of the file`,
      file,
    );
  }
  const model = intrinsics.is_fisheye ? FISHEYE : (intrinsics.camera_model ?? 'OPENCV');
  if (![...PINHOLE_MODELS, FISHEYE].includes(model) || intrinsics.k5 || intrinsics.k6) {
    throw new InputError(
      `${key} has the camera model ${model}${intrinsics.k5 || intrinsics.k6 ? ' with k5 or k6' : ''}; expected ` +
        `${[...PINHOLE_MODELS, FISHEYE].join(', ')} with at most k1 to k4, p1 and p2; run COLMAP on the pictures instead`,
      file,
    );
  }
  const coefficient = (name: (typeof COEFFICIENTS)[number]) => {
    const value = intrinsics[name] ?? 0;
    return Math.abs(value) > NO_DISTORTION ? value : 0;
  };
  const [k1, k2, k3, k4, p1, p2] = (['k1', 'k2', 'k3', 'k4', 'p1', 'p2'] as const).map(coefficient);
  const fy = fl_y ?? fl_x ?? fromAngle(height, camera_angle_y) ?? fx;
  const lens = lensOf(
    { fx, fy, cx, cy },
    {
      radial: [k1, k2, k3, k4],
      tangential: [p1, p2],
      ...(model === FISHEYE ? { angular: { scale: 1, divisor: 1 } } : {}),
    },
  );
  return { width, height, lens, model, camera: `${key} (${model})`, file };
}

/**
 * World → camera of OpenCV (x right, y down, z forward), row-major [4,4], from camera → world of OpenGL (x right, y up,
 * z back).
 */
function viewmatOf(matrix: readonly (readonly number[])[], file: string, key: string): number[] {
  const column = (k: number): Vec3 => [matrix[0][k], matrix[1][k], matrix[2][k]];
  const [x, y, z, center] = [0, 1, 2, 3].map(column);
  const last = matrix[3] ?? [0, 0, 0, 1];
  const isLast = last.every((value, i) => Math.abs(value - Number(i === 3)) <= ROW_TOLERANCE);
  if (!isRotation(x, y, z) || !isLast) {
    throw new InputError(
      `${key}: is not a pose; expected camera to world, [R t; 0 0 0 1], with orthonormal axes and determinant 1`,
      file,
    );
  }
  const back = normalize(z);
  const right = normalize(cross(y, back));
  const up = cross(back, right);
  const line = (axis: Vec3) => [...axis, -dot(axis, center)];
  const flip = ([a, b, c]: Vec3): Vec3 => [-a, -b, -c];
  return [...line(right), ...line(flip(up)), ...line(flip(back)), 0, 0, 0, 1];
}

function isFolder(path: string): boolean {
  return statsOf(path)?.isDirectory() ?? false;
}

function isFile(path: string): boolean {
  return statsOf(path)?.isFile() ?? false;
}

/** Undefined where nothing is, and for a name that the file system does not take. */
function statsOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}
