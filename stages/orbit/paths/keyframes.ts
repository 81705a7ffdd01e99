import { readFile, stat } from 'node:fs/promises';
import * as z from 'zod';
import { InputError } from '../../../wgsl/core/index.ts';
import { checkJson } from '../../artefacts/json.ts';
import { parseValues } from '../../artefacts/yaml.ts';
import { keyCameras, type PathKey } from './keys.ts';
import { definePath, trainingCameras } from './path.ts';
import { focalOfFov } from './pose.ts';
import { medianFocal } from './ring.ts';

const MAX_BYTES = 2 ** 20;
/** Larger coordinates lose the scene in f32. */
const FAR = 1e9;
/** Vertical field of view without cameras, degrees. */
const FOV = 45;

const coordinate = z.number().min(-FAR).max(FAR);
const triple = z.tuple([coordinate, coordinate, coordinate]);
const keyframe = z
  .strictObject({
    position: triple,
    target: triple.optional(),
    quaternion: z
      .tuple([coordinate, coordinate, coordinate, coordinate])
      .refine((q) => Math.hypot(...q) > 1e-6, 'expected a rotation [w, x, y, z], got a length of 0')
      .optional(),
    fov: z.number().min(1).max(170).optional(),
    time: coordinate.optional(),
  })
  .refine(({ target, quaternion }) => (target === undefined) !== (quaternion === undefined), {
    message: 'expected exactly one of `target` and `quaternion`',
  })
  .refine(({ position, target }) => !target || target.some((value, i) => value !== position[i]), {
    message: 'the target is at the position; expected another point, which the camera looks at',
  });
const fileSchema = z.strictObject({
  loop: z.boolean().default(false),
  up: triple
    .refine((up) => up.some((value) => value !== 0), 'expected a direction, got [0, 0, 0]')
    .optional(),
  keyframes: z.array(keyframe).min(2, 'expected at least two keyframes').max(10_000),
});

/** A smooth curve through the cameras of a file. */
export const keyframes = definePath({
  name: 'keyframes',
  summary: 'a smooth curve through the cameras of a JSON or YAML file',
  options: z.strictObject({
    file: z
      .string()
      .min(1)
      .meta({ path: 'file' })
      .describe(
        'JSON or YAML with `keyframes`: position, target or quaternion [w, x, y, z], fov and time of each; docs/outputs.md describes it',
      ),
  }),
  async check({ file }) {
    await readKeyframes(file);
    return {};
  },
  async cameras({ scene: { dataset }, picture, report }, { file }) {
    const read = await readKeyframes(file);
    const training = trainingCameras(dataset);
    const smaller = Math.min(picture.width, picture.height);
    const focal = training.length ? (medianFocal(training) * smaller) / picture.height : focalOfFov(FOV);
    const keys = read.keyframes.map(
      ({ position, target, quaternion, fov }): PathKey => ({
        eye: position,
        look: target ? { target } : { quaternion: quaternion! },
        focal: fov === undefined ? focal : focalOfFov(fov),
      }),
    );
    report.note(`a curve through ${keys.length} keyframes, ${picture.frames} frames`);
    const { loop: closed, up = dataset.up, times } = read;
    return { cameras: keyCameras(keys, { up, closed, times }, picture) };
  },
});

/** @throws InputError with the file and the line or the key. */
async function readKeyframes(file: string) {
  const read = checkJson(file, fileSchema, await readYaml(file));
  const { keyframes: keys, loop } = read;
  const timed = keys.filter(({ time }) => time !== undefined).length;
  if (timed && timed < keys.length) {
    const i = keys.findIndex(({ time }) => time === undefined);
    throw new InputError(
      `keyframes.${i} has no time, and others have; give all keyframes a time or none`,
      file,
    );
  }
  if (timed) {
    const late = keys.findIndex(({ time }, i) => i > 0 && time! <= keys[i - 1].time!);
    if (late >= 0) {
      throw new InputError(
        `keyframes.${late}.time: ${keys[late].time} does not follow ${keys[late - 1].time}; expected increasing times`,
        file,
      );
    }
    if (
      loop &&
      keys.length > 2 &&
      keys[0].position.some((value, axis) => value !== keys.at(-1)!.position[axis])
    ) {
      throw new InputError(
        'loop: with times, the last keyframe must repeat the position of the first, at the time at which the loop ends',
        file,
      );
    }
    return { ...read, loop: false, times: keys.map(({ time }) => time!) };
  }
  const ends = loop ? keys : keys.slice(0, -1);
  const still = ends.findIndex(({ position }, i) =>
    position.every((value, axis) => value === keys[(i + 1) % keys.length].position[axis]),
  );
  if (still >= 0) {
    throw new InputError(
      `keyframes.${(still + 1) % keys.length}.position is that of the keyframe before it; give the keyframes times, so that the camera may pause or turn on the spot`,
      file,
    );
  }
  return { ...read, times: undefined };
}

/** JSON is YAML. @throws InputError with the file, the line and the column. */
async function readYaml(file: string): Promise<unknown> {
  const { size } = await stat(file).catch((error: NodeJS.ErrnoException) => {
    throw new InputError(`cannot be read (${error.code ?? error.message})`, file);
  });
  if (size > MAX_BYTES) throw new InputError(`${size} bytes; at most ${MAX_BYTES} are expected`, file);
  return parseValues(await readFile(file, 'utf8'), file);
}
