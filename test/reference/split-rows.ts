import { normal4 } from './normal4.ts';
import { rotationMatrix } from './rotation-matrix.ts';

export interface SplitInput {
  origins: ArrayLike<number>;
  count: number;
  quats: ArrayLike<number>;
  means: ArrayLike<number>;
  logScales: ArrayLike<number>;
  opacityLogits: ArrayLike<number>;
}

/** Halves (origins ≥ 2·count) moved by a sample of their parent, shrunk by 1.6, and with the revised opacity if asked. */
export function splitRows(input: SplitInput, seed: number, step: number, revisedOpacity: boolean) {
  const means = Float64Array.from(input.means);
  const logScales = Float64Array.from(input.logScales);
  const opacityLogits = Float64Array.from(input.opacityLogits);
  Array.from(input.origins).forEach((origin, row) => {
    if (origin < 2 * input.count) return;
    const normals = normal4(seed, 'split', step, origin - 2 * input.count);
    const scales = [0, 1, 2].map((i) => Math.exp(input.logScales[3 * row + i]));
    const rotation = rotationMatrix(Array.from(input.quats).slice(4 * row, 4 * row + 4));
    for (let i = 0; i < 3; i++) {
      for (let j = 0; j < 3; j++) means[3 * row + i] += rotation[i][j] * scales[j] * normals[j];
      logScales[3 * row + i] = Math.log(scales[i] / 1.6);
    }
    if (revisedOpacity) {
      const opacity = 1 - Math.sqrt(1 - 1 / (1 + Math.exp(-input.opacityLogits[row])));
      opacityLogits[row] = Math.log(opacity / (1 - opacity));
    }
  });
  return { means, logScales, opacityLogits };
}
