import { Command } from 'commander';
import { modelFiles } from '../../stages/clip/directory.ts';
import { readConfig } from '../../stages/clip/families/index.ts';
import {
  type CachedModel,
  cachedModels,
  hubCache,
  parseHubName,
  removeRepository,
} from '../../stages/clip/hub-cache.ts';
import { FULL_CLIP } from '../../stages/clip/resolve.ts';
import { InputError } from '../../wgsl/core/index.ts';
import { fetchModel } from '../run/models.ts';
import { byteSize, printJson, table } from './format.ts';
import { interruptible } from './interruption.ts';
import { progressPrinter } from './progress.ts';

/** `splatline models`. */
export function modelsCommand(): Command {
  const models = new Command('models').description(
    'List, add or remove CLIP models of the Hugging Face Hub. Other programs share its cache.',
  );
  models
    .command('list')
    .description('List the models in the cache of the Hugging Face Hub.')
    .option('--json', 'print JSON')
    .action(async ({ json }: { json?: boolean }) => {
      const found = await usableModels();
      const lines = found.length
        ? table(found.map((model) => [nameOf(model), byteSize(model.bytes), model.folder]))
        : [`none in ${hubCache()}; for example: npx splatline models add ${FULL_CLIP}`];
      process.stdout.write(`${json ? JSON.stringify(found, null, 2) : lines.join('\n')}\n`);
    });
  models
    .command('add')
    .description('Fetch a model, or the present commit of its revision.')
    .argument('<name>', 'owner/name or owner/name@revision')
    .option('--json', 'print JSON, one object a line')
    .action((name: string, { json }: { json?: boolean }) =>
      interruptible(async (signal) => {
        const onEvent = json ? printJson : progressPrinter(process.stdout);
        const model = await fetchModel(name, { signal, onEvent, update: true });
        if (json) printJson({ event: 'model', model });
        else process.stdout.write(`${model} is in ${hubCache()}\n`);
      }),
    );
  models
    .command('remove')
    .description('Remove a model with all its revisions from the cache.')
    .argument('<name>', 'owner/name')
    .action(async (name: string) => {
      const hub = parseHubName(name);
      if (!hub || hub.name !== name) throw new InputError('expected owner/name, without a revision', name);
      const folder = await removeRepository(name);
      if (!folder) throw new InputError(`is not in the cache, ${hubCache()}`, name);
      process.stdout.write(`${folder} is removed\n`);
    });
  for (const command of models.commands) command.exitOverride();
  return models;
}

/** The models of the cache whose family is supported. */
export async function usableModels(): Promise<CachedModel[]> {
  const isUsable = async ({ folder }: CachedModel) => {
    try {
      await readConfig((await modelFiles(folder)).config);
      return true;
    } catch {
      return false;
    }
  };
  const models = await cachedModels();
  const usable = await Promise.all(models.map(isUsable));
  return models.filter((_, i) => usable[i]);
}

/** `owner/name@3d74acf (main)`. */
export function nameOf({ name, commit, revisions }: CachedModel): string {
  return `${name}@${commit.slice(0, 7)}${revisions.length ? ` (${revisions.join(', ')})` : ''}`;
}
