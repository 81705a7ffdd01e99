import * as z from 'zod';
import type { View } from '../../artefacts/dataset.ts';
import { definePath, trainingCameras } from './path.ts';
import { describeRing, fitRing, ringCameras, type Turn } from './ring.ts';

/** A circle fitted to the training cameras, or the arc of it that they cover. */
export const turntable = definePath({
  name: 'turntable',
  summary: 'a circle fitted to the training cameras',
  options: z.strictObject({
    turn: z
      .enum(['auto', 'full', 'swing'])
      .default('auto')
      .describe(
        'full: one turn; swing: back and forth over the arc that the training cameras cover; auto: swing if cameras with photographs leave a gap above 90 degrees, else full',
      ),
  }),
  async cameras({ scene, picture, report }, { turn }) {
    const { views, up, center, extent } = scene.dataset;
    const cameras = trainingCameras(scene.dataset);
    const ring = fitRing({ cameras, up, center, extent }, turnOf(turn, views));
    report.note(describeRing(ring, picture));
    return { cameras: ringCameras(ring, picture) };
  },
});

/** Synthetic views around a splat do not imply unseen sides: `auto` is then a full turn. */
function turnOf(turn: Turn, views: readonly View[]): Turn {
  return turn === 'auto' && !views.some(({ image }) => image) ? 'full' : turn;
}
