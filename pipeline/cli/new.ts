import { mkdir, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { Command, Option } from 'commander';
import { stages } from '../../stages/index.ts';
import { findColmap } from '../../stages/sfm/colmap.ts';
import { InputError } from '../../wgsl/core/index.ts';
import { readPipeline } from '../file/read.ts';
import { chainFor, type Found, foundText, lookAt, WANT_NAMES, type Wish } from '../starter/chain.ts';
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
    .addOption(new Option('--want <what>', 'what the run makes').choices(WANT_NAMES))
    .option('--prompt <text>', 'of a restyling: a text, or the name of a prompt in the library')
    .option('--model <name>', 'of a restyling: owner/name of the Hugging Face Hub, a folder, or demo')
    .action(async (dir: string, flags: Answers) => {
      const answers = dir === '.' ? flags : { ...flags, name: runName(dir) };
      const { found, wish } = await complete(answers);
      process.stdout.write(`${(await write(dir, found, wish)).join('\n')}\n`);
    });
}

/** A folder's name as that of a run. */
function runName(dir: string): string | undefined {
  const name = basename(resolve(dir)).replace(/[^A-Za-z0-9._-]+/g, '-');
  return name.replace(/^[^A-Za-z0-9]+/, '') || undefined;
}

/** Asks for what the options lack. @throws InputError without a terminal. */
async function complete({ from, want, ...others }: Answers): Promise<{ found: Found; wish: Wish }> {
  const needsPrompt = want === 'restyle' && !others.prompt;
  if (from !== undefined && want !== undefined && !needsPrompt)
    return { found: await lookAt(from), wish: { ...others, want } };
  const { stdin: input, stdout: output } = process;
  if (!input.isTTY || !output.isTTY) {
    const missing = [
      ...(from === undefined ? ['--from PATH (or --from demo)'] : []),
      ...(want === undefined ? [`--want ${WANT_NAMES.join('|')}`] : []),
      ...(needsPrompt ? ['--prompt TEXT'] : []),
    ];
    throw new InputError(`there is no terminal to ask on; add ${missing.join(' and ')}`, 'new');
  }
  const models = (await usableModels()).map(({ name }) => name);
  return ask({ from, want, ...others }, { terminal: { input, output }, models });
}

/** Writes the file; returns lines about it. @throws InputError if it exists. */
async function write(dir: string, found: Found, wish: Wish): Promise<string[]> {
  const values = await chainFor(found, wish);
  const folder = resolve(dir);
  const file = join(folder, `${values.name}.yaml`);
  const path = shortPath(file);
  const word = quoted(path);
  const about = [
    `For ${foundText(found)}.`,
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
    `${path}: ${foundText(found)}`,
    ...(await missingColmap(found)),
    `Run it with: npx splatline run ${word}`,
  ];
}

async function missingColmap({ reader: { key } }: Found): Promise<string[]> {
  if (key !== 'photos' && key !== 'video') return [];
  return findColmap().then(
    () => [],
    (error: Error) => [`First: ${error.message}`],
  );
}
