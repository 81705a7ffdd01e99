import { z } from 'zod';
import { random4 } from '../../wgsl/core/index.ts';
import type { Vec3 } from './camera.ts';

const channel = z.number().min(0).max(1);
const color = z.tuple([channel, channel, channel]);

/** The option of stages that look at a splat. `where` begins its description: `Behind the splat`. */
export function backgroundOption(where = 'Behind the splat') {
  return z
    .union([z.enum(['black', 'white']), color])
    .default('black')
    .describe(`${where}: a name or [r, g, b] from 0 to 1`);
}

/** The option of stages that optimise one: `random` is another colour each step, so that nothing hides in the background. */
export function trainingBackgroundOption(where: string) {
  return z
    .union([z.enum(['black', 'white', 'random']), color])
    .default('black')
    .describe(`${where}: a name (random: another colour each step) or [r, g, b] from 0 to 1`);
}

export type Background = z.output<ReturnType<typeof backgroundOption>>;
export type TrainingBackground = z.output<ReturnType<typeof trainingBackgroundOption>>;

/** The colour, linear in the photographs' own space. */
export function backgroundColor(background: Background): Vec3 {
  if (background === 'black') return [0, 0, 0];
  return background === 'white' ? [1, 1, 1] : background;
}

/** The colour at a step. */
export function backgroundAt(background: TrainingBackground, seed: number, step: number): Vec3 {
  if (background !== 'random') return backgroundColor(background);
  const [r, g, b] = random4(seed, 'background', step, 0);
  return [r, g, b];
}
