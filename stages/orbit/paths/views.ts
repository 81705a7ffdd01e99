import * as z from 'zod';
import { InputError } from '../../../wgsl/core/index.ts';
import type { Camera } from '../../artefacts/camera.ts';
import { definePath, type Picture } from './path.ts';

/** The cameras of the capture as they are, a frame for each. */
export const views = definePath({
  name: 'views',
  summary: 'the cameras of the capture as they are, a frame for each',
  options: z.strictObject({
    split: z
      .enum(['train', 'test', 'all'])
      .default('train')
      .describe('Which views, in order of their names; `frames` does not apply'),
  }),
  async cameras({ scene: { dataset }, picture, report }, { split }) {
    const chosen = dataset.views.filter((view) => split === 'all' || view.split === split);
    if (!chosen.length) {
      throw new InputError(
        `orbit.path: views finds no ${split} view${split === 'test' ? '; set load.holdout, or split: train' : ''}`,
      );
    }
    report.note(`${chosen.length} cameras of the capture (${split})`);
    return { cameras: chosen.map(({ camera }) => fitCamera(camera, picture)), unordered: true };
  },
});

/** The whole view of a camera in another picture: scaled evenly, and centred where the aspects differ. */
export function fitCamera(camera: Camera, { width, height }: Pick<Picture, 'width' | 'height'>): Camera {
  const scale = Math.min(width / camera.width, height / camera.height);
  return {
    width,
    height,
    fx: scale * camera.fx,
    fy: scale * camera.fy,
    cx: scale * camera.cx + (width - scale * camera.width) / 2,
    cy: scale * camera.cy + (height - scale * camera.height) / 2,
    viewmat: camera.viewmat,
  };
}
