import * as z from 'zod';
import { InputError } from '../../../wgsl/core/index.ts';
import { type Camera, cross, dot, isRotation, normalize, type Vec3 } from '../../artefacts/camera.ts';
import { checkJson, readJson } from '../../artefacts/json.ts';
import { definePath } from './path.ts';
import { centredCamera, focalOfFov } from './pose.ts';

/** Larger coordinates lose the scene in f32. */
const FAR = 1e9;
const coordinate = z.number().min(-FAR).max(FAR);
const side = z.int().min(16).max(8192);
const fileSchema = z.object({
  camera_type: z.string().optional(),
  render_width: side.optional(),
  render_height: side.optional(),
  fps: z.number().positive().optional(),
  camera_path: z
    .array(
      z.object({
        camera_to_world: z.array(coordinate).length(16, 'expected 16 numbers, camera to world by rows'),
        fov: z.number().min(1).max(170),
      }),
    )
    .min(1, 'is empty; expected the cameras of the frames')
    .max(100_000),
});

/** `dataparser_transforms.json`: nerfstudio's coordinates are scale · (transform · x). */
const transformsSchema = z.object({
  transform: z.array(z.array(coordinate).length(4, 'expected four numbers')).length(3, 'expected three rows'),
  scale: z
    .number()
    .min(1 / FAR)
    .max(FAR),
});

/** The cameras of a path that nerfstudio's viewer exported, one for each frame. */
export const nerfstudio = definePath({
  name: 'nerfstudio',
  summary: "the cameras of nerfstudio's camera_path.json, a frame for each",
  options: z.strictObject({
    file: z
      .string()
      .min(1)
      .meta({ path: 'file' })
      .describe(
        'camera_path.json, as the viewer exports it; `frames` and the focal length of the photographs do not apply',
      ),
    transforms: z
      .string()
      .min(1)
      .optional()
      .meta({ path: 'file' })
      .describe(
        "dataparser_transforms.json of nerfstudio's training, which turns its coordinates into those of the capture. Default: they are the same",
      ),
  }),
  async check(options) {
    const { poses, width, height } = await readPath(options);
    return { frames: poses.length, ...(width && height ? { aspect: width / height } : {}) };
  },
  async cameras({ picture, report }, options) {
    const { poses, fps } = await readPath(options);
    report.note(
      `${poses.length} cameras of ${options.file}${fps ? `, made for ${fps} frames per second` : ''}`,
    );
    const cameras = poses.map(({ viewmat, fov }) =>
      centredCamera(viewmat, focalOfFov(fov) * picture.height, picture),
    );
    return { cameras };
  },
});

/** @throws InputError with the file and the key. */
async function readPath({ file, transforms }: { file: string; transforms?: string }) {
  const read = checkJson(file, fileSchema, await readJson(file));
  const { camera_type: type = 'perspective', render_width: width, render_height: height, fps } = read;
  if (type !== 'perspective') {
    throw new InputError(`camera_type: found ${JSON.stringify(type)}; expected "perspective"`, file);
  }
  const world = transforms ? checkJson(transforms, transformsSchema, await readJson(transforms)) : undefined;
  const toCapture = world && inverse(world, transforms!);
  const poses = read.camera_path.map(({ camera_to_world: m, fov }, i) => ({
    viewmat: viewmatOf(m, toCapture, file, `camera_path.${i}.camera_to_world`),
    fov,
  }));
  return { poses, width, height, fps };
}

interface ToCapture {
  direction(v: Vec3): Vec3;
  point(p: Vec3): Vec3;
}

/** From nerfstudio's coordinates to those of the capture: x = Rᵀ·(p ÷ scale − t). */
function inverse({ transform, scale }: z.output<typeof transformsSchema>, file: string): ToCapture {
  const column = (k: number): Vec3 => [transform[0][k], transform[1][k], transform[2][k]];
  const [a, b, c, t] = [0, 1, 2, 3].map(column);
  checkRotation(a, b, c, 'transform', file);
  const direction = (v: Vec3): Vec3 => [dot(a, v), dot(b, v), dot(c, v)];
  return {
    direction,
    point: (p) => direction([p[0] / scale - t[0], p[1] / scale - t[1], p[2] / scale - t[2]]),
  };
}

/** World → camera of OpenCV from camera → world of OpenGL (x right, y up, z back), row-major. */
function viewmatOf(
  m: readonly number[],
  toCapture: ToCapture | undefined,
  file: string,
  key: string,
): Camera['viewmat'] {
  const column = (k: number): Vec3 => [m[k], m[4 + k], m[8 + k]];
  const [x, y, z, position] = [0, 1, 2, 3].map(column);
  checkRotation(x, y, z, key, file);
  const turn = (v: Vec3) => (toCapture ? toCapture.direction(v) : v);
  const eye = toCapture ? toCapture.point(position) : position;
  const back = normalize(turn(z));
  const right = normalize(cross(turn(y), back));
  const up = cross(back, right);
  const row = (axis: Vec3, sign: number) => [...axis.map((value) => sign * value), -sign * dot(axis, eye)];
  return [...row(right, 1), ...row(up, -1), ...row(back, -1), 0, 0, 0, 1];
}

function checkRotation(x: Vec3, y: Vec3, z: Vec3, key: string, file: string): void {
  if (isRotation(x, y, z)) return;
  throw new InputError(`${key}: is not a pose; expected orthonormal axes with determinant 1`, file);
}
