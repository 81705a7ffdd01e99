import { FromRgba8 } from '../../../wgsl/image/from-rgba8.ts';
import { correlation, Structure } from '../../../wgsl/image/structure.ts';
import { countOf, type Metric, mean, score } from './metric.ts';

/**
 * Structure: the correlation of luminance gradients at half resolution with those of the same frame before restyling, weighted
 * by their magnitude there (`Structure`), mean over frames.
 */
export const structure: Metric = {
  name: 'structure',
  summary: 'correlation of the luminance gradients of a frame after and before restyling',
  meaning: 'How much of the shapes and edges the restyling kept: 1 keeps all of them.',
  async measure({ gpu, scene }) {
    const { frames, before } = scene.frames ?? { frames: [], before: [] };
    if (!frames.length) return { skipped: 'no orbit stage rendered frames' };
    if (!before.length)
      return { skipped: 'it compares with the frames before restyling, and nothing was restyled' };
    const { width, height } = frames[0].camera;
    const arena = gpu.arena('score/structure');
    try {
      const fromRgba8 = await FromRgba8.create(gpu, width * height);
      const [picture, base] = ['picture', 'base'].map((role) => arena.buffer(role, 16 * width * height));
      const options = { width, height, picture, base, slots: frames.length };
      const engine = await Structure.create(gpu, arena, options);
      for (const [slot, frame] of frames.entries()) {
        engine.set({ width, height }, { slot });
        const bound = [fromRgba8.bind(frame.color, picture), fromRgba8.bind(before[slot].color, base)];
        gpu.run('score/structure', (recorder) => {
          for (const one of bound) fromRgba8.record(recorder, one);
          engine.record(recorder);
        });
      }
      const sums = await gpu.readFloats(engine.result, 'metrics', 4 * frames.length);
      const found = frames.map((_, i) => correlation(sums.subarray(4 * i, 4 * i + 4)));
      const seen = found.filter((value) => value !== undefined);
      if (!seen.length) return { skipped: 'no frame before restyling shows an edge' };
      return [score('structure', mean(seen), 'correlation', countOf(seen.length, 'frame'))];
    } finally {
      arena.destroy();
    }
  },
};
