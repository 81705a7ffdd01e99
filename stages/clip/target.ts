import type { Gpu } from '../../wgsl/core/index.ts';
import { type Report, silent } from '../stage.ts';
import { checkCrops } from './check.ts';
import { type ClipModel, openClip } from './model.ts';
import { ClipObjective } from './objective.ts';
import type { CropOptions } from './options.ts';
import type { Precision } from './precision.ts';
import { type Prompt, resolvePrompt, warnOfPrompt } from './prompts.ts';

/** The target of an optimisation: a prompt, as a model sees it in random crops of each render. */
export interface ClipTarget {
  prompt: Prompt;
  model: ClipModel;
  objective: ClipObjective;
  destroy(): void;
}

/**
 * Opens the model, embeds the prompt and compiles the program. Warns of words that the model does not know.
 * @throws InputError on a broken model or an empty prompt.
 */
export async function openClipTarget(
  gpu: Gpu,
  {
    prompt: nameOrText,
    model: directory,
    precision,
    crops,
  }: { prompt: string; model?: string; precision?: Precision | 'auto'; crops: CropOptions },
  report: Report = silent,
): Promise<ClipTarget> {
  checkCrops(crops);
  const prompt = await resolvePrompt(nameOrText);
  const model = await openClip(gpu, directory, precision);
  await warnOfPrompt(prompt, model.directory, report);
  const owned: { destroy(): void }[] = [model];
  const destroy = () => {
    for (const part of owned.reverse()) part.destroy();
  };
  try {
    const { count, ...augment } = crops;
    const objective = await ClipObjective.create(gpu, model, { batch: count, width: 1, height: 1, augment });
    owned.push(objective);
    objective.setTarget(await model.embedTexts([prompt.text]));
    return { prompt, model, objective, destroy };
  } catch (error) {
    destroy();
    throw error;
  }
}
