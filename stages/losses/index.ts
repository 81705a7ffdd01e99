import * as z from 'zod';
import { InputError } from '../../wgsl/core/index.ts';
import type { DecayRates } from '../../wgsl/splat/edit/color-decay.ts';
import { clipTarget, cropOptions } from '../clip/options.ts';
import type { Anneal } from '../optimizer/anneal.ts';
import { clip } from './clip.ts';
import { content } from './content.ts';
import { directional } from './directional.ts';
import type { LossKind, LossOptions } from './loss.ts';
import { patch } from './patch.ts';
import { photo, tv } from './pixel-losses.ts';
import { structure } from './structure.ts';

/** The losses of restyling. Schema, help and docs derive from this table; the picture's gradient sums them in its order. */
export const LOSSES = { clip, directional, patch, content, structure, tv, photo } as const;
export type LossName = keyof typeof LOSSES;

type WeightOrOptions<Options> = number | Partial<Options>;
/** Weights, or weights and settings, by loss. */
export type LossesInput = { [Name in LossName]?: WeightOrOptions<(typeof LOSSES)[Name]['defaults']> };

// biome-ignore lint/suspicious/noExplicitAny: the options of a row are those of its own schema.
const kinds: readonly LossKind<any>[] = Object.values(LOSSES);

/** What the first step of a restyling begins with: the splat as it is, or the best tint of it. */
export const TINTS = ['none', 'auto'] as const;
export type TintChoice = (typeof TINTS)[number];

/** What a preset sets for a kind of model. */
interface Steering {
  losses: LossesInput;
  tint: TintChoice;
  /** The default of stylize's `colorDecay`. */
  colorDecay?: DecayRates;
}

/** A set of losses, with the crops and learning rates that suit it: for full models, and for the demo model. */
interface Preset {
  summary: string;
  /** The default of `crops.scale`. */
  cropScale: [number, number];
  /** The defaults of stylize's `rates.sh` and `anneal`. */
  shRate: number;
  anneal?: Anneal;
  full: Steering;
  demo: Steering;
}

/** Sets of losses by name. */
export const PRESETS: Record<'paper' | 'paper-verbatim' | 'wall', Preset> = {
  paper: {
    summary: 'the CLIP loss alone, eq. 5 of the paper',
    cropScale: [0.5, 1],
    shRate: 1e-2,
    full: { losses: { clip: 1 }, tint: 'none' },
    demo: { losses: { clip: 1 }, tint: 'none' },
  },
  'paper-verbatim': {
    summary: 'eq. 5 as printed, on the whole view instead of random crops',
    cropScale: [0.5, 1],
    shRate: 1e-2,
    full: { losses: { clip: { weight: 1, on: 'view' } }, tint: 'none' },
    demo: { losses: { clip: { weight: 1, on: 'view' } }, tint: 'none' },
  },
  wall: {
    summary: 'losses that restyle the scene, balanced by losses that preserve it, on crops of many sizes',
    cropScale: [0.3, 1],
    shRate: 3e-2,
    anneal: { from: 0.6, to: 0.1 },
    // Direction, patch and content as CLIPGaussian (Howil et al. 2025); not tested here.
    full: { losses: { directional: 5, patch: 90, content: 0.8, structure: 1, tv: 0.1 }, tint: 'none' },
    // Chosen by the table of `npm run styles`.
    demo: {
      losses: { clip: 1, structure: 0.6 },
      tint: 'auto',
      colorDecay: { chroma: 1, luminance: 0.25 },
    },
  },
};
export type PresetName = keyof typeof PRESETS;

const presetNames = Object.keys(PRESETS) as [PresetName];

/** The options `preset` and `losses`. */
const lossOptions = {
  preset: z
    .enum(presetNames)
    .default('wall')
    .describe(`Set of losses; ${presetNames.map((name) => `${name}: ${PRESETS[name].summary}`).join('; ')}`),
  losses: z
    .strictObject(Object.fromEntries(kinds.map((kind) => [kind.name, inputOf(kind)])))
    .default({})
    .describe(
      'Changes to the losses of the preset: a weight, or a map of weight and settings; weight 0 removes a loss',
    )
    .transform((losses) => losses as LossesInput),
};

const tint = z
  .enum(TINTS)
  .optional()
  .describe(
    'Colours of the first step. auto: those of the tint of the whole splat, of 1,400, that a search finds nearest to the prompt, or of the splat if ' +
      'none is nearer; none: those of the splat; that of the preset unless given',
  );

const crops = cropOptions.prefault({}).describe('Random crops of each render, the input of CLIP');

/** The options of a style target. Shared by stylize and joint training. */
export const styleTarget = { ...clipTarget, crops, ...lossOptions, tint };

function inputOf({ summary, options, defaults }: LossKind): z.ZodType {
  const fields = Object.entries(options.shape).map(([key, schema]) => {
    const fallback = (defaults as unknown as Record<string, unknown>)[key];
    // Not zod's default: a setting that is absent is that of the preset.
    const described = key === 'weight' ? schema : (schema as z.ZodType).meta({ default: fallback });
    return [key, (described as z.ZodType).optional()];
  });
  return z
    .union([z.number().min(0), z.strictObject(Object.fromEntries(fields))])
    .optional()
    .describe(summary);
}

/** What a preset says for full models, or for the small model of the package. */
export const steeringOf = (preset: PresetName, isDemo: boolean): Steering =>
  PRESETS[preset][isDemo ? 'demo' : 'full'];

/** A loss that takes part, with all its options. */
export interface ChosenLoss {
  kind: LossKind;
  options: LossOptions;
}

/**
 * The losses with a weight above 0, in the order of the table: those of the preset, with the given weights and settings in
 * place of its own. `isDemo`: whether the model is the small one of the package.
 * @throws InputError when none is left.
 */
export function chooseLosses(preset: PresetName, given: LossesInput, isDemo = false): ChosenLoss[] {
  const base: LossesInput = steeringOf(preset, isDemo).losses;
  const chosen = kinds.flatMap((kind): ChosenLoss[] => {
    const name = kind.name as LossName;
    if (base[name] === undefined && given[name] === undefined) return [];
    const options = { ...kind.defaults, ...asOptions(base[name]), ...asOptions(given[name]) };
    return options.weight > 0 ? [{ kind, options }] : [];
  });
  if (!chosen.length) {
    throw new InputError(
      'no loss is left: give at least one of `losses` a weight above 0, or remove `losses`',
    );
  }
  return chosen;
}

function asOptions(given: number | object = {}): object {
  return typeof given === 'number' ? { weight: given } : given;
}
