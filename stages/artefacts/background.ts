import * as z from 'zod';
import { random4 } from '../../wgsl/core/index.ts';
import type { Vec3 } from './camera.ts';

const channel = z.number().min(0).max(1);
const color = z.tuple([channel, channel, channel]);

/** The background option of stages that render a splat. `what` begins its description. */
export function backgroundOption(what = 'Background colour') {
  return z
    .union([z.enum(['black', 'white']), color])
    .default('black')
    .describe(`${what}: a name, or [r, g, b] from 0 to 1`);
}

/** The background option of stages that optimise a splat: `random` changes each step, so that nothing blends into it. */
export function trainingBackgroundOption(what: string) {
  return z
    .union([z.enum(['black', 'white', 'random']), color])
    .default('black')
    .describe(`${what}: a name (random: a new colour each step), or [r, g, b] from 0 to 1`);
}

export type Background = z.output<ReturnType<typeof backgroundOption>>;
export type TrainingBackground = z.output<ReturnType<typeof trainingBackgroundOption>>;

/** The colour, in the colour space of the photographs. */
export function backgroundColor(background: Background): Vec3 {
  if (background === 'black') return [0, 0, 0];
  return background === 'white' ? [1, 1, 1] : background;
}

/** In place of a background that changes with each step. */
const GRAY: Vec3 = [0.5, 0.5, 0.5];

/** The colour of renders that belong to no step. */
export function steadyBackground(background: TrainingBackground): Vec3 {
  return background === 'random' ? GRAY : backgroundColor(background);
}

/** The colour of a step. */
export function backgroundAt(background: TrainingBackground, seed: number, step: number): Vec3 {
  if (background !== 'random') return backgroundColor(background);
  const [r, g, b] = random4(seed, 'background', step, 0);
  return [r, g, b];
}
