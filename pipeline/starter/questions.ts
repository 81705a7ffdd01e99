import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { Stopped } from '../../stages/checkpoints.ts';
import { readPrompts } from '../../stages/clip/prompts.ts';
import { DEMO, FULL_CLIP } from '../../stages/clip/resolve.ts';
import { READERS, readerOf } from '../../stages/load/readers/index.ts';
import { SIGNALS } from '../exit.ts';
import {
  describeInput,
  type FoundInput,
  GOAL_NAMES,
  GOALS,
  INCLUDED,
  inspectInput,
  type RunRequest,
} from './chain.ts';

/** The answers of the flags, and of the questions. */
export interface Answers extends Partial<RunRequest> {
  from?: string;
}

/** A terminal. */
export interface Terminal {
  input: Readable;
  output: Writable;
}

const OTHER = 'other';

/**
 * Asks for what `answers` lack: the input, the goal, and for a restyling the prompt and the model. `models`: names of the Hub on this
 * machine. @throws Stopped when the user cancels.
 */
export async function ask(
  answers: Answers,
  { terminal, models }: { terminal: Terminal; models: readonly string[] },
): Promise<{ found: FoundInput; request: RunRequest }> {
  // Imported here, because other commands do not need it and loading takes time.
  const prompts = await import('@clack/prompts');
  const given = async <Value>(answer: Promise<Value | symbol>): Promise<Value> => {
    const value = await answer;
    if (prompts.isCancel(value)) throw new Stopped(SIGNALS.SIGINT);
    return value as Value;
  };
  const choose = (message: string, options: { value: string; label: string; hint?: string }[]) =>
    given<string>(prompts.select({ ...terminal, message, options }));
  const write = (message: string, fault: (text: string) => string | undefined, placeholder?: string) =>
    given<string>(
      prompts.text({ ...terminal, message, placeholder, validate: (text = '') => fault(text.trim()) }),
    ).then((text) => text.trim());

  const from = answers.from ?? (await askInput(choose, write));
  const found = await inspectInput(from);
  prompts.log.info(`Found ${describeInput(found)}`, terminal);

  const goals = GOAL_NAMES.filter((name) => found.reader.photographs || !GOALS[name].photographs);
  const options = goals.map((value) => ({ value, label: GOALS[value].title }));
  const goal = answers.goal ?? ((await choose('What do you want to make?', options)) as RunRequest['goal']);
  if (goal !== 'restyle') return { found, request: { ...answers, goal } };

  const names = (await readPrompts()).map(({ name }) => name);
  const hint = `a text, or a name of the library: ${names.slice(0, 4).join(', ')}, …`;
  const needText = (text: string) => (text ? undefined : 'Expected a text');
  const prompt = answers.prompt ?? (await write('Which prompt?', needText, hint));
  const model = answers.model ?? (await askModel(models, choose, write));
  return { found, request: { ...answers, goal, prompt, model } };
}

type Choose = (
  message: string,
  options: { value: string; label: string; hint?: string }[],
) => Promise<string>;
type Write = (message: string, fault: (text: string) => string | undefined) => Promise<string>;

async function askInput(choose: Choose, write: Write): Promise<string> {
  const kinds = READERS.map(({ key, title, shape }) => ({ value: key, label: title, hint: shape }));
  const kind = await choose('What do you have?', [
    ...kinds,
    { value: INCLUDED, label: 'nothing yet: the scene of the package', hint: 'a robot' },
  ]);
  if (kind === INCLUDED) return INCLUDED;
  return write('Where is it?', (text) => {
    const path = resolve(text);
    if (!text || !existsSync(path)) return 'No such file or folder';
    const reader = readerOf(path);
    const wanted = READERS.find(({ key }) => key === kind)!;
    return reader ? undefined : `Not found there: ${wanted.title} is ${wanted.shape}`;
  });
}

async function askModel(models: readonly string[], choose: Choose, write: Write): Promise<string> {
  const known = [...new Set([FULL_CLIP, ...models])];
  const model = await choose('Which CLIP model?', [
    { value: DEMO, label: DEMO, hint: 'part of the package; knows a few materials and media' },
    ...known.map((name) => ({
      value: name,
      label: name,
      hint: models.includes(name) ? 'on this machine' : 'any text; is fetched',
    })),
    { value: OTHER, label: 'another one', hint: 'owner/name of the Hugging Face Hub, or a folder' },
  ]);
  return model === OTHER
    ? write('Its name, owner/name, or its folder?', (text) =>
        text ? undefined : 'Expected a name or a folder',
      )
    : model;
}
