import type { FrameOutput } from './output.ts';

/** The frames. */
export const color: FrameOutput = {
  summary: 'colour over the background',
  pictures: [{ stem: 'turntable', folder: 'frames', poster: 'poster', kind: 'rgb' }],
  create: async ({ frames }) => ({ draw: (index) => [frames.frames[index].color] }),
};

/** The frames before restyling on the left, and after it on the right. */
export const compare: FrameOutput = {
  summary: 'before restyling on the left, after on the right',
  pictures: [{ stem: 'compare', kind: 'rgb', widths: 2 }],
  after: true,
  needsBefore: true,
  async create({ gpu, arena, frames, width, height }) {
    const row = 4 * width;
    const both = arena.buffer('both', 2 * row * height);
    return {
      draw(index) {
        gpu.run('orbit/compare', (recorder) => {
          for (const [side, { color }] of [frames.before[index], frames.frames[index]].entries()) {
            for (let y = 0; y < height; y++) recorder.copy(color, both, row, row * y, row * (2 * y + side));
          }
        });
        return [both];
      },
    };
  },
};
