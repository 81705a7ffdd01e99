import { existsSync, readFileSync } from 'node:fs';
import { dirname, isAbsolute, join, relative, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { stringify } from 'yaml';
import { stages as registry } from '../../stages/index.ts';
import { knownKeys } from '../file/describe.ts';
import { jsonSchema, mapPaths, pipelineParser, schemaAt } from '../file/schema.ts';

export type StageValues = Record<string, unknown>;

/** A pipeline file as values, in its order. Paths are absolute. */
export interface PipelineValues {
  name: string;
  [key: string]: unknown;
  stages: [name: string, options: StageValues][];
}

const SCHEMA = 'pipeline/schema.json';
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** Characters of a line of comments. */
const WIDTH = 100;

/**
 * The text of a pipeline file in `folder`: each option on a line, below its description in the schema. `about` are the lines of the
 * comment at the top.
 */
export function pipelineText(
  { stages, ...head }: PipelineValues,
  { folder, about }: { folder: string; about: readonly string[] },
): string {
  const parser = pipelineParser(registry);
  const top = Object.entries(head).map(([key, value]) =>
    [...comment(schemaAt(parser, [key])?.description), `${key}: ${flow(value)}`, ''].join('\n'),
  );
  const list = stages.map(([name, options]) => stageLines(name, options, folder).join('\n'));
  return [
    `# yaml-language-server: $schema=${schemaAddress(folder)}`,
    ...about.flatMap((line) => wrapped(line)),
    '',
    ...top,
    'stages:',
    `${list.join('\n\n')}\n`,
  ].join('\n');
}

/** The same file in a few lines: a stage a line, no comments. */
export function shortText({ stages, ...head }: PipelineValues, folder: string): string {
  const top = Object.entries(head).map(([key, value]) => `${key}: ${flow(value)}\n`);
  const list = stages.map(([name, given]) => {
    const options = withPaths(name, given, folder);
    return `  - ${name}:${Object.keys(options).length ? ` ${flow(options)}` : ''}\n`;
  });
  return [...top, 'stages:\n', ...list].join('');
}

function stageLines(name: string, given: StageValues, folder: string): string[] {
  const { summary, options: parser } = stageOf(name);
  const options = Object.entries(withPaths(name, given, folder)).flatMap(([key, value]) => [
    ...comment(schemaAt(parser, [key])?.description, '      '),
    `      ${key}: ${flow(value)}`,
  ]);
  return [...comment(summary, '  '), `  - ${name}:`, ...options];
}

function stageOf(name: string) {
  return registry.find((stage) => stage.name === name)!;
}

/** The options in the order of the schema, with paths as they are written in a file in `folder`. */
function withPaths(name: string, options: StageValues, folder: string): StageValues {
  const write = (path: string) => {
    const fromHere = fromFolder(folder, path);
    return isAbsolute(fromHere) || fromHere.length > path.length ? path : fromHere;
  };
  const { options: parser } = stageOf(name);
  const order = knownKeys(jsonSchema(parser));
  const sorted = Object.entries(options).sort(([a], [b]) => order.indexOf(a) - order.indexOf(b));
  return mapPaths(Object.fromEntries(sorted), parser, ({ value }) =>
    isAbsolute(value) ? write(value) : value,
  ) as StageValues;
}

/** A value on one line. */
function flow(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flowItem).join(', ')}]`;
  return stringify(value, ON_ONE_LINE).trim();
}

/** Inside a list, where a text with a comma needs quotes. */
function flowItem(value: unknown): string {
  return stringify([value], ON_ONE_LINE).trim().slice(2, -2);
}

const ON_ONE_LINE = {
  collectionStyle: 'flow',
  lineWidth: 0,
  // A line feed is written as \n.
  singleQuote: false,
  doubleQuotedMinMultiLineLength: Number.MAX_SAFE_INTEGER,
} as const;

/** A description as lines of comments. */
function comment(text = '', indent = ''): string[] {
  return wrapped(text && /[.:!?]$/.test(text) === false ? `${text}.` : text, indent);
}

/** A text as lines of comments. Blanks between columns stay. */
function wrapped(text: string, indent = ''): string[] {
  const lines: string[] = [];
  for (const word of text.match(/\s{2,}\S+|\S+/g) ?? []) {
    const last = lines.at(-1);
    const joined = last === undefined || /^\s/.test(word) ? `${last ?? ''}${word}` : `${last} ${word}`;
    if (last !== undefined && indent.length + 2 + joined.length <= WIDTH) lines[lines.length - 1] = joined;
    else lines.push(word.trimStart());
  }
  return lines.map((line) => `${indent}# ${line}`);
}

/**
 * Where an editor finds the schema, for a file in `folder`: relative to it in a project that has the package, or in a checkout;
 * otherwise the address of this package's own file.
 */
export function schemaAddress(folder: string): string {
  for (let above = folder; ; above = dirname(above)) {
    for (const root of [join(above, 'node_modules', 'splatline'), above]) {
      if (isPackage(root)) return fromFolder(folder, join(root, SCHEMA));
    }
    if (dirname(above) === above) return pathToFileURL(join(ROOT, SCHEMA)).href;
  }
}

/** `./x` or `../x`; absolute on another drive. */
function fromFolder(folder: string, path: string): string {
  const below = relative(folder, path).split(sep).join('/');
  return isAbsolute(below) || below.startsWith('..') ? below : `./${below}`;
}

function isPackage(root: string): boolean {
  if (!existsSync(join(root, SCHEMA))) return false;
  try {
    return JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).name === 'splatline';
  } catch {
    return false;
  }
}
