import { type Gpu, InputError } from '../../wgsl/core/index.ts';
import type { DecayRates } from '../../wgsl/splat/edit/color-decay.ts';
import { backgroundAt } from '../artefacts/background.ts';
import type { Vec3 } from '../artefacts/camera.ts';
import type { View } from '../artefacts/dataset.ts';
import type { StylePrompt } from '../artefacts/style.ts';
import { checkClipTarget, checkCrops } from '../clip/check.ts';
import { meanDirection } from '../clip/encoder.ts';
import { type ClipModel, openClip } from '../clip/model.ts';
import type { CropOptions, GivenCrops } from '../clip/options.ts';
import type { Precision } from '../clip/precision.ts';
import { embedPrompt } from '../clip/prompt-embeds.ts';
import { warnOfPrompt, warnOfWords } from '../clip/prompts.ts';
import { DEMO } from '../clip/resolve.ts';
import type { TemplateSet } from '../clip/templates.ts';
import { resolveWeightedPrompt, type WeightedPrompt } from '../clip/weighted-prompt.ts';
import type { Objective, ObjectiveFactory } from '../optimizer/objectives.ts';
import { RegionMasks } from '../regions/masks.ts';
import type { RegionOption } from '../regions/options.ts';
import { openRegion } from '../regions/weights.ts';
import { type Report, silent } from '../stage.ts';
import { type Base, BaseEmbeds } from './base-embeds.ts';
import { BaseViews } from './base-views.ts';
import { oneText } from './direction.ts';
import { countCrops, GroupEncoder } from './group-encoder.ts';
import {
  type ChosenLoss,
  chooseLosses,
  type LossesInput,
  PRESETS,
  type PresetName,
  steeringOf,
  type TintChoice,
} from './index.ts';
import type { CropGroup, LossNeeds, LossSettings, LossTexts } from './loss.ts';
import { startFromTint } from './tint.ts';

/** The options of a style target, from the stage that restyles. */
export interface StyleTargetOptions {
  prompt: StylePrompt;
  templates?: TemplateSet;
  model?: string;
  precision?: Precision | 'auto';
  crops: GivenCrops;
  preset: PresetName;
  losses: LossesInput;
  tint?: TintChoice;
}

/** What else the losses depend on. */
export interface StyleTargetSettings {
  seed: number;
  /** Absent in joint training of mode `paper`. */
  base?: Base;
}

/** The target of a restyling: a prompt, and the losses that lead to it, with the model that they share. */
export interface StyleTarget {
  prompt: WeightedPrompt;
  model: ClipModel;
  /** The objective weight · Σ losses. The target must outlive it. */
  objective(weight: number): ObjectiveFactory;
  /**
   * With a tint, overwrites a copy of the base's SH, f32 [N, K, 3], by those of the first step. With `weights`, f32 [N], each Gaussian takes
   * so much of the tint.
   */
  applyTint(sh: GPUBuffer, weights?: GPUBuffer): Promise<void>;
  destroy(): void;
}

/** How fast the change of colours decays, if it does. */
export function colorDecayOf({
  preset,
  colorDecay,
  model = DEMO,
}: Pick<StyleTargetOptions, 'preset' | 'model'> & { colorDecay?: DecayRates }): DecayRates | undefined {
  const rates = colorDecay ?? steeringOf(preset, model === DEMO).colorDecay;
  return rates && (rates.chroma > 0 || rates.luminance > 0) ? rates : undefined;
}

/** @throws InputError when no loss is left. */
function lossesOf({ preset, losses, model = DEMO }: StyleTargetOptions): ChosenLoss[] {
  return chooseLosses(preset, losses, model === DEMO);
}

function tintOf({ preset, tint, model = DEMO }: StyleTargetOptions): TintChoice {
  return tint ?? steeringOf(preset, model === DEMO).tint;
}

/** The given crops, and those of the preset where nothing is given. */
function cropsOf({ preset, crops }: StyleTargetOptions): CropOptions {
  return { ...crops, scale: crops.scale ?? PRESETS[preset].cropScale };
}

/**
 * Opens the model, embeds the prompt and compiles the image encoder for the crops of all losses. Warns of words that the model
 * does not know.
 * @throws InputError on a broken model, an empty prompt, or losses that cannot be computed.
 */
export async function openStyleTarget(
  gpu: Gpu,
  options: StyleTargetOptions,
  settings: StyleTargetSettings,
  report: Report = silent,
): Promise<StyleTarget> {
  checkCrops(options.crops);
  const crops = cropsOf(options);
  const losses = lossesOf(options);
  const prompt = await resolveWeightedPrompt(options.prompt);
  const needs = lossNeeds(losses, { seed: settings.seed, crops }, Boolean(settings.base));
  requireBase(options, Boolean(settings.base));
  const sources = new Set(needs.flatMap(({ source }) => source ?? []));
  const model = await openClip(gpu, options.model, options.precision);
  try {
    for (const part of prompt.parts) await warnOfPrompt(part, model.directory, report);
    for (const source of sources) await warnOfWords('source', source, model.directory, report);
    const texts = await embedTexts(model, prompt, options.templates);
    const style = await createStyle(gpu, { model, texts, losses, crops }, settings, report);
    return {
      prompt,
      model,
      objective: style.objective,
      async applyTint(sh, weights) {
        const { base } = settings;
        if (!base || tintOf(options) === 'none') return;
        await startFromTint(gpu, model, texts.target, { base, sh, weights }, report);
      },
      destroy() {
        style.destroy();
        model.destroy();
      },
    };
  } catch (error) {
    model.destroy();
    throw error;
  }
}

async function embedTexts(
  model: ClipModel,
  prompt: WeightedPrompt,
  templates?: TemplateSet,
): Promise<LossTexts> {
  const embeds = new Map<string, Promise<Float32Array>>();
  const embed = (text: string) => {
    const parts = [{ name: text, text, weight: 1 }];
    const found = embeds.get(text) ?? embedPrompt(model, { name: text, parts }, templates);
    embeds.set(text, found);
    return found;
  };
  const target = meanDirection(await embedPrompt(model, prompt, templates), model.dimensions);
  return { target, embed };
}

/** The parts of a style target that exist already. */
export interface StyleParts {
  model: ClipModel;
  texts: LossTexts;
  losses: readonly ChosenLoss[];
  crops: CropOptions;
}

/** The losses with all that they share: image encoder, embeddings, renders of the splat before restyling. */
export async function createStyle(
  gpu: Gpu,
  { model, texts, losses, crops }: StyleParts,
  { seed, base }: StyleTargetSettings,
  report: Report = silent,
): Promise<Pick<StyleTarget, 'objective' | 'destroy'>> {
  const needs = lossNeeds(losses, { seed, crops }, Boolean(base));
  const arena = gpu.arena('style');
  const owned: { destroy(): void }[] = [arena];
  const destroy = () => {
    for (const part of owned.reverse()) part.destroy();
  };
  try {
    const groups = uniqueGroups(needs);
    const hasFeatures = needs.some(({ features }) => features);
    const needsEmbeds = (from: 'view' | 'crop') => needs.some(({ baseEmbeds }) => baseEmbeds === from);
    const baseEmbeds =
      base && (needsEmbeds('view') || hasFeatures)
        ? await BaseEmbeds.create(gpu, arena, model, base, hasFeatures)
        : undefined;
    const encoderOptions = { model, groups, baseEmbeds, hasBaseCrops: needsEmbeds('crop'), hasFeatures };
    const encoder = groups.length ? await GroupEncoder.create(arena, encoderOptions) : undefined;
    const views =
      base && needs.some((need) => need.base)
        ? await BaseViews.create(gpu, base.gaussians, base.views)
        : undefined;
    if (views) owned.push(views);
    const region = needs.find(({ keep }) => keep)?.keep;
    const masks = base && region ? await keepMasks(gpu, region, base, report) : undefined;
    if (masks) owned.push(masks);
    const backgroundOf = (step: number): Vec3 =>
      base ? backgroundAt(base.background, seed, step) : [0, 0, 0];
    const shared = { losses, encoder, texts, views, masks, backgroundOf };
    return { objective: (weight) => styleObjective(shared, weight), destroy };
  } catch (error) {
    destroy();
    throw error;
  }
}

/** The masks of the region to keep, by the weights of the base's Gaussians. */
async function keepMasks(
  gpu: Gpu,
  option: RegionOption,
  { gaussians, views }: Base,
  report: Report,
): Promise<RegionMasks> {
  const arena = gpu.arena('style/keep');
  try {
    const region = { name: 'losses.photo.keep', option, whenEmpty: 'photo has no effect' };
    const weights = await openRegion(arena, region, gaussians, { report });
    return await RegionMasks.create(gpu, gaussians, weights, views);
  } finally {
    arena.destroy();
  }
}

/**
 * What the losses ask for.
 * @throws InputError when options contradict each other, or a loss needs the splat before restyling and there is none.
 */
function lossNeeds(losses: readonly ChosenLoss[], settings: LossSettings, hasBase: boolean): LossNeeds[] {
  const needs = losses.map(({ kind, options }) => {
    const needs = kind.needs(options, settings);
    if (!hasBase && (needs.base || needs.baseEmbeds || needs.features)) {
      throw new InputError(
        `the loss ${kind.name} compares with the splat before restyling, which joint optimisation of mode paper does not have; ` +
          'give it the weight 0 in `losses`, or set mode: balanced',
      );
    }
    return needs;
  });
  countCrops(uniqueGroups(needs));
  return needs;
}

/**
 * Checks the options of `openStyleTarget` without a GPU.
 * @throws InputError on a broken model, an empty prompt, a source that is the prompt, or losses that cannot be computed.
 */
export async function checkStyleTarget(options: StyleTargetOptions, hasBase: boolean): Promise<void> {
  const needs = lossNeeds(lossesOf(options), { seed: 0, crops: cropsOf(options) }, hasBase);
  requireBase(options, hasBase);
  await checkClipTarget(options);
  const { parts } = await resolveWeightedPrompt(options.prompt);
  const [{ text, weight }] = parts;
  if (parts.length === 1 && weight > 0 && needs.some(({ source }) => source === text)) throw oneText(text);
}

/** @throws InputError for a tint where there is no splat before restyling. */
function requireBase({ tint }: StyleTargetOptions, hasBase: boolean): void {
  if (tint !== 'auto' || hasBase) return;
  throw new InputError(
    'tint: auto recolours the splat before restyling, which joint optimisation of mode paper does not have; leave tint out, or set mode: balanced',
  );
}

/** Each crop group once. */
function uniqueGroups(needs: readonly LossNeeds[]): CropGroup[] {
  const groups = needs.flatMap(({ crops }) => crops ?? []);
  return [...new Map(groups.map((group) => [group.key, group])).values()];
}

interface Shared {
  losses: readonly ChosenLoss[];
  encoder?: GroupEncoder;
  texts: LossTexts;
  views?: BaseViews;
  masks?: RegionMasks;
  backgroundOf(step: number): Vec3;
}

function styleObjective(
  { losses, encoder, texts, views, masks, backgroundOf }: Shared,
  weight: number,
): ObjectiveFactory {
  return async (gpu, arena, picture): Promise<Objective> => {
    const made = await Promise.all(
      losses.map(({ kind, options }) => {
        const keep = masks && ((view: View) => masks.of(view));
        const shared = { gpu, arena, picture, base: views, keep, encoder, texts };
        return kind.create({ ...shared, weight: weight * options.weight }, options);
      }),
    );
    return {
      prepare(step, view) {
        views?.prepare(view, backgroundOf(step));
        encoder?.prepare(step, view);
        for (const loss of made) loss.prepare?.(step, view);
      },
      record(recorder, view) {
        views?.record(recorder, view);
        if (encoder) {
          encoder.recordBase(recorder, view, views?.color);
          encoder.recordForward(recorder, picture.color);
          recorder.clear(encoder.gradEmbeds);
          for (const loss of made) loss.recordEmbeds?.(recorder, view);
          encoder.recordBackward(recorder, picture.color, picture.gradient);
        }
        for (const loss of made) loss.recordPicture?.(recorder, view);
      },
      metrics: [...made.map(({ metrics }) => metrics), ...(encoder ? [encoder.metrics] : [])],
    };
  };
}
