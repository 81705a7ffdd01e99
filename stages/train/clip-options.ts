import * as z from 'zod';
import { styleTarget } from '../losses/index.ts';

/** How joint optimisation combines photographs and prompt. */
export const JOINT_MODES = ['balanced', 'paper'] as const;

/** Defaults by mode. */
const DEFAULTS = {
  balanced: { preset: 'wall', weight: 1, steps: 600, rate: 1e-2 },
  paper: { preset: 'paper', weight: 0.1 },
} as const;

const options = z.strictObject({
  ...styleTarget,
  preset: styleTarget.preset
    .unwrap()
    .optional()
    .describe(`${styleTarget.preset.description} (wall; with mode: paper, paper)`),
  mode: z
    .enum(JOINT_MODES)
    .default('balanced')
    .describe(
      'balanced: photographs alone train the splat; then a second set of SH follows photographs and prompt, and both splats are ' +
        'results. paper: one splat, with the loss L1 − k·CLIP (eq. 3)',
    ),
  weight: z
    .number()
    .min(0)
    .optional()
    .describe(
      'k, the weight of the prompt. balanced: how much style, from about 0.03 (hardly any) to 1 (nearly all) and more (1). paper: k of L1 − k·CLIP (0.1)',
    ),
  steps: z
    .number()
    .int()
    .min(1)
    .max(1_000_000)
    .optional()
    .describe('Steps on the second set of SH (balanced only, 600)'),
  rate: z.number().min(0).optional().describe('Learning rate of the second set of SH (balanced only, 0.01)'),
});

/** `clip: { prompt, weight }` of joint optimisation. The weight is the paper's k. */
export const clipTermOptions = options.transform(
  ({ mode, preset, weight, steps, rate, ...clip }, context) => {
    const defaults = DEFAULTS[mode];
    const target = { ...clip, preset: preset ?? defaults.preset, weight: weight ?? defaults.weight };
    if (mode === 'balanced') {
      const { balanced } = DEFAULTS;
      return { ...target, mode, steps: steps ?? balanced.steps, rate: rate ?? balanced.rate };
    }
    for (const [name, value] of Object.entries({ steps, rate })) {
      const message = 'applies to the second set of SH, which mode: paper does not have; leave it out';
      if (value !== undefined) context.addIssue({ code: 'custom', path: [name], message });
    }
    return { ...target, mode };
  },
);
