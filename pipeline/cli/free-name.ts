import { isAbsolute, join } from 'node:path';
import type { Plan } from '../file/plan.ts';
import { readManifest } from '../run/manifest.ts';
import { withHash } from '../starter/run-name.ts';

/**
 * The name of a plan without a file. Where `folder` has the results of another input or prompt under that name, the plan gets a name with a
 * hash of its own, and `taken` says whose results stay.
 */
export async function freeName(
  { name, stages }: Pick<Plan, 'name' | 'stages'>,
  folder: string,
): Promise<{ name: string; taken?: string }> {
  const read = await readManifest(join(folder, name)).catch(() => undefined);
  if (!read) return { name };
  const own = sourceOf(stages.map(({ stage, options }) => ({ stage: stage.name, options })));
  const earlier = sourceOf(read.manifest.stages);
  if (own.input === earlier.input && own.prompt === earlier.prompt) return { name };
  const taken = own.input === earlier.input ? `the prompt ${earlier.prompt ?? '(none)'}` : earlier.input;
  return { name: withHash(name, JSON.stringify(own)), taken };
}

/** The paths that the stages read, and the prompt. */
function sourceOf(stages: readonly { stage: string; options: unknown }[]): {
  input: string;
  prompt?: string;
} {
  const optionsOf = (name: string): object => stages.find(({ stage }) => stage === name)?.options ?? {};
  const paths = Object.values(optionsOf('load')).filter(
    (value) => typeof value === 'string' && isAbsolute(value),
  );
  const { prompt } = optionsOf('stylize') as { prompt?: unknown };
  return { input: paths.join(', '), prompt: prompt === undefined ? undefined : JSON.stringify(prompt) };
}
