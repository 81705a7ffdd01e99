import * as z from 'zod';
import { InputError } from '../../../wgsl/core/index.ts';
import { cameraCenter } from '../../artefacts/camera.ts';
import type { View } from '../../artefacts/dataset.ts';
import { keyCameras, type PathKey } from './keys.ts';
import { definePath } from './path.ts';
import { quaternionOf } from './pose.ts';

/** Names that an error lists. */
const LISTED = 8;

/** A smooth curve through the cameras of views, at even speed. */
export const interpolate = definePath({
  name: 'interpolate',
  summary: 'a smooth curve through chosen views',
  options: z.strictObject({
    views: z
      .array(z.string().min(1))
      .min(2)
      .optional()
      .describe(
        'Names of the views, in order, with or without the ending. Default: all training views, by name',
      ),
    loop: z.boolean().default(false).describe('Whether the curve returns to the first view'),
  }),
  async cameras({ scene: { dataset }, picture, report }, { views: names, loop }) {
    const chosen = names
      ? names.map((name) => viewOf(dataset.views, name))
      : dataset.views.filter(({ split }) => split === 'train');
    // The picture keeps the angle that the smaller side of the photograph shows.
    const smaller = Math.min(picture.width, picture.height);
    const keys = chosen.map(({ camera }): PathKey => {
      const { fx, fy, width, height } = camera;
      return {
        eye: cameraCenter(camera),
        look: { quaternion: quaternionOf(camera) },
        focal: (((fx + fy) / 2 / Math.min(width, height)) * smaller) / picture.height,
      };
    });
    if (keys.length < 2) {
      throw new InputError('orbit.path: interpolate needs at least two views; use path: bounds');
    }
    for (let i = loop ? 0 : 1; i < keys.length; i++) {
      const [from, to] = [(i + keys.length - 1) % keys.length, i];
      if (keys[from].eye.every((value, axis) => value === keys[to].eye[axis])) {
        throw new InputError(
          `orbit.path: interpolate moves from ${chosen[from].name} to ${chosen[to].name}, which are at one position; leave one out`,
        );
      }
    }
    report.note(`a curve through ${keys.length} views, ${picture.frames} frames`);
    return { cameras: keyCameras(keys, { up: dataset.up, closed: loop }, picture) };
  },
});

function viewOf(views: readonly View[], name: string): View {
  const withoutEnding = (text: string) => text.replace(/\.[^./]+$/, '');
  const found =
    views.find((view) => view.name === name) ?? views.find((view) => withoutEnding(view.name) === name);
  if (found) return found;
  const names = views.slice(0, LISTED).map((view) => view.name);
  const more = views.length > LISTED ? ', …' : '';
  throw new InputError(
    `orbit.path: interpolate names the view ${JSON.stringify(name)}, and the capture has ${names.join(', ')}${more}`,
  );
}
