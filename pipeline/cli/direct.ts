import { join } from 'node:path';
import { Command } from 'commander';
import { stages } from '../../stages/index.ts';
import { readPipeline, readValues } from '../file/read.ts';
import { PIPELINE } from '../run/run-folder.ts';
import { foldersOf } from '../run/stage-plan.ts';
import { chainFor, describeInput, inspectInput, type RunRequest } from '../starter/chain.ts';
import { type PipelineValues, pipelineText, type StageValues, shortText } from '../starter/pipeline-text.ts';
import { collect, takeAdapter, whole } from './flags.ts';
import { printJson, quoted, shortPath } from './format.ts';
import { freeName } from './free-name.ts';
import { standardPrinter } from './progress.ts';
import { runOne, withEvents } from './run.ts';

interface DirectFlags {
  out?: string;
  store?: string;
  model?: string;
  steps?: number;
  set?: string[];
  adapter?: string[];
  json?: boolean;
}

/** `splatline train CAPTURE`. */
export function trainCommand(): Command {
  const command = new Command('train')
    .description('Train a splat without a pipeline file, and print the file that it runs.')
    .argument(
      '<capture>',
      'COLMAP, transforms.json, photographs or a video; or demo, the scene of the package',
    )
    .option('--steps <n>', 'training steps', whole(1));
  return withDirectOptions(command).action((input: string, flags: DirectFlags) =>
    direct(input, { goal: 'train' }, flags),
  );
}

/** `splatline restyle INPUT PROMPT`. */
export function restyleCommand(): Command {
  const command = new Command('restyle')
    .description('Restyle a splat, or train and restyle a capture, without a pipeline file.')
    .argument('<input>', 'a splat or a capture; or demo, the scene of the package')
    .argument('<prompt>', 'a text, or the name of a prompt in the library')
    .option('--model <name>', 'a CLIP model: owner/name of the Hugging Face Hub, a folder, or demo')
    .option('--steps <n>', 'restyling steps', whole(1));
  return withDirectOptions(command).action((input: string, prompt: string, flags: DirectFlags) =>
    direct(input, { goal: 'restyle', prompt, model: flags.model }, flags),
  );
}

function withDirectOptions(command: Command): Command {
  return command
    .option('--set <stage.option=value>', 'another option of a stage; may be repeated', collect)
    .option('--out <folder>', 'write everything here instead of to out/<name>, the store included')
    .option('--store <folder>', 'keep saved work here; one store may serve many runs')
    .option('--adapter <name>', 'run on the adapter whose name contains this', collect)
    .option('--json', 'print JSON, one object a line');
}

function direct(input: string, request: RunRequest, { steps, set, adapter, json, ...folders }: DirectFlags) {
  return withEvents(json, async (signal) => {
    const found = await inspectInput(input);
    const chain = await chainFor(found, { ...request, steps });
    const given = await overridden(chain, set);
    const planned = async (values: PipelineValues) => {
      const { out } = foldersOf(values, folders);
      const file = join(out, PIPELINE);
      const about = [
        `Written by \`splatline ${request.goal}\`, which ran it: ${describeInput(found)}.`,
        `Run it again: npx splatline run ${quoted(shortPath(file))}`,
      ];
      const text = pipelineText(values, { folder: out, about });
      const plan = await readPipeline(file, { text, registry: stages });
      return { file, text, plan, short: shortText(values, out) };
    };
    const first = await planned(given);
    const isNamed = folders.out !== undefined || given.name !== chain.name;
    const { name, taken } = isNamed ? { name: given.name } : await freeName(first.plan, 'out');
    const { file, text, plan, short } = taken ? await planned({ ...given, name }) : first;
    const lines = [
      ...(taken ? [`# out/${given.name} keeps the results of ${taken}`] : []),
      `# ${shortPath(file)}: ${describeInput(found)}`,
      short,
    ];
    if (json) printJson({ event: 'pipeline', file, text });
    else process.stdout.write(`${lines.join('\n')}\n`);
    const onEvent = json ? printJson : standardPrinter(signal);
    await runOne(plan, { ...folders, signal, onEvent, adapter: takeAdapter(adapter), text });
  });
}

/** The values after `--set`. Relative paths in these start at the working directory. */
async function overridden(values: PipelineValues, set?: readonly string[]): Promise<PipelineValues> {
  const text = JSON.stringify({
    ...values,
    stages: values.stages.map(([name, options]) => ({ [name]: options })),
  });
  const options = { text, set, registry: stages };
  await readPipeline(values.name, options); // a mistake in `--set` has its place there
  const changed = await readValues(values.name, options);
  const list = changed.stages as Record<string, StageValues>[];
  return { ...changed, stages: list.map((entry) => Object.entries(entry)[0]) } as PipelineValues;
}
