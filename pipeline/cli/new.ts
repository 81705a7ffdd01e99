import { mkdir, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { Command, Option } from 'commander';
import { stages } from '../../stages/index.ts';
import { findColmap } from '../../stages/sfm/colmap.ts';
import { InputError } from '../../wgsl/core/index.ts';
import { readPipeline } from '../file/read.ts';
import {
  chainFor,
  describeInput,
  type FoundInput,
  GOAL_NAMES,
  inspectInput,
  type RunRequest,
} from '../starter/chain.ts';
import { pipelineText } from '../starter/pipeline-text.ts';
import { type Answers, ask } from '../starter/questions.ts';
import { quoted, shortPath } from './format.ts';
import { usableModels } from './models.ts';

/** `splatline new [DIR]`. */
export function newCommand(): Command {
  return new Command('new')
    .description('Write a pipeline file for what you have. Asks on a terminal what the options leave open.')
    .argument('[dir]', 'the folder of the file', '.')
    .option('--from <path>', 'a capture, photographs, a video or a splat; or demo, the scene of the package')
    .addOption(new Option('--goal <goal>', 'what the run makes').choices(GOAL_NAMES))
    .option('--prompt <text>', 'of a restyling: a text, or the name of a prompt in the library')
    .option('--model <name>', 'of a restyling: owner/name of the Hugging Face Hub, a folder, or demo')
    .action(async (dir: string, flags: Answers) => {
      const answers = dir === '.' ? flags : { ...flags, name: runName(dir) };
      const { found, request } = await complete(answers);
      process.stdout.write(`${(await write(dir, found, request)).join('\n')}\n`);
    });
}

/** A folder's name as that of a run. */
function runName(dir: string): string | undefined {
  const name = basename(resolve(dir)).replace(/[^A-Za-z0-9._-]+/g, '-');
  return name.replace(/^[^A-Za-z0-9]+/, '') || undefined;
}

/** Asks for what the options lack. @throws InputError without a terminal. */
async function complete({
  from,
  goal,
  ...others
}: Answers): Promise<{ found: FoundInput; request: RunRequest }> {
  const needsPrompt = goal === 'restyle' && !others.prompt;
  if (from !== undefined && goal !== undefined && !needsPrompt)
    return { found: await inspectInput(from), request: { ...others, goal } };
  const { stdin: input, stdout: output } = process;
  if (!input.isTTY || !output.isTTY) {
    const missing = [
      ...(from === undefined ? ['--from PATH (or --from demo)'] : []),
      ...(goal === undefined ? [`--goal ${GOAL_NAMES.join('|')}`] : []),
      ...(needsPrompt ? ['--prompt TEXT'] : []),
    ];
    throw new InputError(`there is no terminal to ask on; add ${missing.join(' and ')}`, 'new');
  }
  const models = (await usableModels()).map(({ name }) => name);
  return ask({ from, goal, ...others }, { terminal: { input, output }, models });
}

/** Writes the file; returns lines about it. @throws InputError if it exists. */
async function write(dir: string, found: FoundInput, request: RunRequest): Promise<string[]> {
  const values = await chainFor(found, request);
  const folder = resolve(dir);
  const file = join(folder, `${values.name}.yaml`);
  const path = shortPath(file);
  const word = quoted(path);
  const about = [
    `For ${describeInput(found)}.`,
    `What it would do:            npx splatline plan ${word}`,
    `Run it:                      npx splatline run ${word}`,
    `All options of a stage:      npx splatline stages train`,
  ];
  const text = pipelineText(values, { folder, about });
  await readPipeline(file, { text, registry: stages }); // finds mistakes before the file exists
  await mkdir(folder, { recursive: true });
  await writeFile(file, text, { flag: 'wx' }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
    throw new InputError('exists, and is not overwritten; remove it, or give another folder', path);
  });
  return [
    `${path}: ${describeInput(found)}`,
    ...(await missingColmap(found)),
    `Run it with: npx splatline run ${word}`,
  ];
}

async function missingColmap({ reader: { key } }: FoundInput): Promise<string[]> {
  if (key !== 'photos' && key !== 'video') return [];
  return findColmap().then(
    () => [],
    (error: Error) => [`First: ${error.message}`],
  );
}
