import { existsSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InputError } from '../../wgsl/core/index.ts';
import { cachedSnapshot, hubCache, parseHubName } from './hub-cache.ts';

/** The name of the small model of the package. */
export const DEMO = 'demo';
/** Its folder. */
export const DEMO_CLIP = fileURLToPath(new URL('../../prompts/demo-clip/', import.meta.url));

/** A full model with its weights as safetensors, for advice. */
export const FULL_CLIP = 'laion/CLIP-ViT-B-32-laion2B-s34B-b79K';

/** The line of a pipeline file that works on every machine. */
export const DEMO_ADVICE = '`model: demo` uses the small model of the package';

/** A model on this machine. */
export interface ModelFolder {
  folder: string;
  /** For messages and scores: `owner/name`, or the name of the folder. */
  name: string;
}

/**
 * The folder of a model: a folder, `owner/name[@revision]` of the Hugging Face Hub in the cache of this machine, or `demo`. A
 * folder that exists wins over a name.
 * @throws InputError when the cache does not hold a named model.
 */
export async function resolveModel(model = DEMO): Promise<ModelFolder> {
  const hub = existsSync(model) ? undefined : parseHubName(model);
  if (!hub) {
    const folder = model === DEMO ? DEMO_CLIP : model;
    return { folder, name: basename(resolve(folder)) };
  }
  const cached = await cachedSnapshot(hub);
  if (cached) return { folder: cached.folder, name: hub.name };
  throw new InputError(
    `is not in the cache of the Hugging Face Hub, ${hubCache()}. Fetch it with \`npx splatline models add ${model}\`; ${DEMO_ADVICE}`,
    model,
  );
}

/** `owner/name@commit` of a model of the Hub in the cache; undefined if the cache does not hold it. */
export async function pinnedName(model: string): Promise<string | undefined> {
  const hub = parseHubName(model);
  const cached = hub && (await cachedSnapshot(hub));
  return cached && `${hub.name}@${cached.commit}`;
}
