import type { FrameOutput } from './output.ts';

/** The frames. */
export const color: FrameOutput = {
  summary: 'colour over the background',
  pictures: [{ stem: 'turntable', folder: 'frames', poster: 'poster', kind: 'rgb' }],
  create: async ({ frames }) => ({ draw: (index) => [frames.frames[index].color] }),
};
