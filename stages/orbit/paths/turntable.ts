import * as z from 'zod';
import type { View } from '../../artefacts/dataset.ts';
import { describeFraming, framed, framingOf, subjectPoints } from './framing.ts';
import { definePath, trainingCameras } from './path.ts';
import { describeRing, fitRing, type Ring, ringCameras, supportedRing, type Turn } from './ring.ts';

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
    start: z
      .number()
      .min(-360)
      .max(360)
      .default(0)
      .describe(
        'Where a full turn starts: degrees from the first training view, positive as the camera moves. A swing starts at one end of its arc',
      ),
  }),
  async cameras({ scene, picture, report }, { turn, start }) {
    const { views, points, up, center, extent } = scene.dataset;
    const photographs = trainingCameras(scene.dataset);
    const fitted = fitRing({ cameras: photographs, up, center, extent }, turnOf(turn, views), start);
    const subject = fitted.facing === 'in' ? subjectPoints(points.positions, photographs) : [];
    const framing = (ring: Ring) => framingOf(ringCameras(ring, picture), subject, up);
    const first = framing(fitted);
    const ring = supportedRing(fitted, photographs, picture, (cameras) => framed(cameras, first, up));
    // A shorter swing needs less to show the subject.
    const found = ring === fitted ? first : framing(ring);
    report.note(`${describeRing(ring, picture)}${describeFraming(found)}`);
    return { cameras: framed(ringCameras(ring, picture), found, up) };
  },
});

/** Synthetic views around a splat do not imply unseen sides: `auto` is then a full turn. */
function turnOf(turn: Turn, views: readonly View[]): Turn {
  return turn === 'auto' && !views.some(({ image }) => image) ? 'full' : turn;
}
