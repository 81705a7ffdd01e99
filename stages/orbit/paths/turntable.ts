import * as z from 'zod';
import type { View } from '../../artefacts/dataset.ts';
import { subjectPoints, subjectZoom } from './framing.ts';
import { definePath, trainingCameras } from './path.ts';
import { describeRing, fitRing, ringCameras, supportedRing, type Turn } from './ring.ts';

/** A circle fitted to the training cameras, or the arc of it that they cover. */
export const turntable = definePath({
  name: 'turntable',
  summary: 'a circle fitted to the training cameras',
  options: z.strictObject({
    turn: z
      .enum(['auto', 'full', 'swing'])
      .default('auto')
      .describe(
        'full: one turn; swing: back and forth over the arc that the photographs support; auto: swing if cameras with photographs leave a gap above 90 degrees, else full',
      ),
  }),
  async cameras({ scene, picture, report }, { turn }) {
    const { views, points, up, center, extent } = scene.dataset;
    const photographs = trainingCameras(scene.dataset);
    const fitted = fitRing({ cameras: photographs, up, center, extent }, turnOf(turn, views));
    const ring = supportedRing(fitted, photographs, picture);
    report.note(describeRing(ring, picture));
    const cameras = ringCameras(ring, picture);
    const zoom =
      ring.facing === 'in' ? subjectZoom(cameras, subjectPoints(points.positions, photographs)) : 1;
    if (zoom < 1)
      report.note(`the focal length is ${Math.round(100 * zoom)} % of the photographs', to show the subject`);
    return { cameras: cameras.map((camera) => ({ ...camera, fx: zoom * camera.fx, fy: zoom * camera.fy })) };
  },
});

/** Synthetic views around a splat do not imply unseen sides: `auto` is then a full turn. */
function turnOf(turn: Turn, views: readonly View[]): Turn {
  return turn === 'auto' && !views.some(({ image }) => image) ? 'full' : turn;
}
