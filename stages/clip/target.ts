import type { Gpu } from '../../wgsl/core/index.ts';
import { checkCrops } from './check.ts';
import { type ClipModel, openClip } from './model.ts';
import { ClipObjective } from './objective.ts';
import type { CropOptions } from './options.ts';
import { type Prompt, resolvePrompt } from './prompts.ts';

/** What an optimisation aims at: a prompt, seen by a model, through random crops of each render. */
export interface ClipTarget {
  prompt: Prompt;
  model: ClipModel;
  objective: ClipObjective;
  destroy(): void;
}

/** Opens the model, embeds the prompt, builds the program. @throws InputError on a broken model or an empty prompt. */
export async function openClipTarget(
  gpu: Gpu,
  { prompt: nameOrText, model: directory, crops }: { prompt: string; model?: string; crops: CropOptions },
): Promise<ClipTarget> {
  checkCrops(crops);
  const prompt = await resolvePrompt(nameOrText);
  const model = await openClip(gpu, directory);
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
