import { normal4 } from './normal4.ts';
import { rotationMatrix } from './rotation-matrix.ts';

export interface PerturbInput {
  means: ArrayLike<number>;
  logScales: ArrayLike<number>;
  quats: ArrayLike<number>;
  opacityLogits: ArrayLike<number>;
}

/** Means + scale · sigmoid(−100 (o − 0.005)) · R S² Rᵀ · ξ, with the covariance multiplied out. */
export function perturbMeans(input: PerturbInput, seed: number, step: number, scale: number): Float64Array {
  const means = Float64Array.from(input.means);
  for (let row = 0; row < input.opacityLogits.length; row++) {
    const rotation = rotationMatrix(Array.from(input.quats).slice(4 * row, 4 * row + 4));
    const variances = [0, 1, 2].map((i) => Math.exp(input.logScales[3 * row + i]) ** 2);
    const opacity = 1 / (1 + Math.exp(-input.opacityLogits[row]));
    const gate = 1 / (1 + Math.exp(100 * (opacity - 0.005)));
    const normals = normal4(seed, 'noise', step, row);
    for (let i = 0; i < 3; i++) {
      for (let j = 0; j < 3; j++) {
        const covariance = variances.reduce((sum, v, k) => sum + rotation[i][k] * v * rotation[j][k], 0);
        means[3 * row + i] += scale * gate * covariance * normals[j];
      }
    }
  }
  return means;
}
