import { type RandomPurpose, random4 } from '../../wgsl/core/index.ts';

/** Two pairs of standard normals by Box–Muller, as `normal4` of wgsl/shared/random.wgsl. */
export function normal4(seed: number, purpose: RandomPurpose, step: number, index: number): number[] {
  const u = random4(seed, purpose, step, index);
  return [0, 2].flatMap((i) => {
    const radius = Math.sqrt(-2 * Math.log(1 - u[i]));
    const angle = 2 * Math.PI * u[i + 1];
    return [radius * Math.cos(angle), radius * Math.sin(angle)];
  });
}
