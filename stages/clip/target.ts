import { type Gpu, InputError } from '../../wgsl/core/index.ts';
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
  if (crops.scale[0] > crops.scale[1]) {
    throw new InputError(`crops.scale is [smallest, largest], got [${crops.scale.join(', ')}]`);
  }
  const prompt = await resolvePrompt(nameOrText);
  const model = await openClip(gpu, directory);
  try {
    const { count, ...augment } = crops;
    const objective = await ClipObjective.create(gpu, model, { batch: count, width: 1, height: 1, augment });
    objective.setTarget(await model.embedTexts([prompt.text]));
    const destroy = () => {
      objective.destroy();
      model.destroy();
    };
    return { prompt, model, objective, destroy };
  } catch (error) {
    model.destroy();
    throw error;
  }
}
