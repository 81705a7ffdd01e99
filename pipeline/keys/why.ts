import { relative } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { AdapterReport } from '../../wgsl/core/index.ts';
import { isMap, literal } from '../file/describe.ts';
import type { StageIdentity } from './identity.ts';
import { ABSENT, pathBelow } from './packages.ts';

/** One difference from an earlier run, in words: `train.steps was 300, is now 500`. */
export interface Reason {
  cause:
    | 'new'
    | 'format'
    | 'option'
    | 'text'
    | 'file'
    | 'seed'
    | 'code'
    | 'package'
    | 'runtime'
    | 'adapter'
    | 'input';
  text: string;
}

export interface Naming {
  /** The stage's id in the file; its name unless given. */
  id?: string;
  /** Absolute paths of the files that are read now, by their names in the identity. */
  places?: Readonly<Record<string, string>>;
  /** Paths below it are shown relative to it. Default: the working directory. */
  cwd?: string;
}

/** Maximum number of differences in a sentence. */
const SHOWN = 2;

/**
 * Why a stage has to run: the differences from the nearest of the `earlier` identities of the same stage, the one with the
 * fewest differences (the first of several; give the newest first). Inputs come last. Empty if nothing differs.
 */
export function why(now: StageIdentity, earlier: readonly StageIdentity[], naming: Naming = {}): Reason[] {
  const [nearest] = earlier
    .filter(({ stage }) => stage === now.stage)
    .map((before) => differences(before, now, naming))
    .sort((a, b) => a.length - b.length);
  return nearest ?? [{ cause: 'new', text: 'never run before' }];
}

/** `train.steps was 300, is now 500; the seed was 42, is now 1; and 3 more`. */
export function sentence(reasons: readonly Reason[]): string {
  const shown = reasons.slice(0, SHOWN).map(({ text }) => text);
  const more = reasons.length - shown.length;
  return [...shown, ...(more ? [`and ${more} more`] : [])].join('; ');
}

function differences(before: StageIdentity, now: StageIdentity, naming: Naming): Reason[] {
  if (before.format !== now.format) {
    return [{ cause: 'format', text: 'another version of splatline saved its results' }];
  }
  const { id = now.stage, places = {}, cwd = process.cwd() } = naming;
  const reasons: Reason[] = [];
  const add = (cause: Reason['cause'], text: string) => reasons.push({ cause, text });
  const options = changes(flat(before.options), flat(now.options));
  for (const { key, a, b } of options)
    add('option', becomes([id, key].filter(Boolean).join('.'), a, b, 'set'));
  for (const { key, a, b } of changes(before.texts, now.texts)) {
    // A changed option explains the change of its text.
    const isExplained = options.some((option) => option.key === key || option.key.endsWith(`.${key}`));
    if (!isExplained) add('text', becomes(`the ${key}`, a, b, 'read'));
  }
  for (const { key, a, b } of changes(before.files, now.files)) {
    const file = shownFile(key, places, cwd);
    add('file', `${file} ${eventOf(a, b, 'is read now', 'is no longer read')}`);
  }
  if (before.seed !== now.seed) add('seed', becomes('the seed', before.seed, now.seed, 'set'));
  for (const { key, a, b } of changes(before.code, now.code)) {
    add('code', `${key} ${eventOf(a, b, 'is new', 'is no longer used')}`);
  }
  for (const { key, a = ABSENT, b = ABSENT } of changes(before.packages, now.packages)) {
    add('package', `${key === 'webgpu' ? 'webgpu (Dawn)' : key} ${a}, now ${b}`);
  }
  const [ranOn, runsOn] = [before, now].map(({ runtime: { node, platform, arch } }) => {
    return `Node ${node} on ${platform} ${arch}`;
  });
  if (ranOn !== runsOn) add('runtime', `${ranOn}, now ${runsOn}`);
  const adapter = adapterDifference(before.adapter, now.adapter);
  if (adapter) add('adapter', adapter);
  for (const text of inputDifferences(before.inputs, now.inputs)) add('input', text);
  return reasons;
}

function becomes(name: string, before: unknown, now: unknown, verb: 'set' | 'read'): string {
  if (before === undefined) return `${name} is now ${literal(now)}, was not ${verb}`;
  return `${name} was ${literal(before)}, is ${now === undefined ? `no longer ${verb}` : `now ${literal(now)}`}`;
}

function eventOf(before: unknown, now: unknown, added: string, gone: string): string {
  return before === undefined ? added : now === undefined ? gone : 'has changed';
}

/** Another adapter by its name; if the name is the same, the first trait that differs. */
function adapterDifference(before: AdapterReport, now: AdapterReport): string | undefined {
  const [a, b] = [before, now].map(({ vendor, architecture, device, description, cpu }) =>
    [vendor, architecture, device, description, cpu].filter(Boolean).join(' '),
  );
  if (a !== b) return `another adapter: ${a}, now ${b}`;
  const [trait] = changes(before, now);
  return trait && `the adapter's ${trait.key}: ${literal(trait.a)}, now ${literal(trait.b)}`;
}

type Inputs = StageIdentity['inputs'];

/** One sentence for all inputs that one stage computes again. */
function inputDifferences(before: Inputs, now: Inputs): string[] {
  const texts: string[] = [];
  const again = new Map<string, string[]>();
  for (const { key } of changes(before, now)) {
    const [was, is] = [before, now].map((inputs) => inputs[key as keyof Inputs]?.stage);
    if (is === undefined) texts.push(`it no longer has the input ${key} (from ${was})`);
    else if (was === undefined) texts.push(`it has a new input ${key} (from ${is})`);
    else if (is !== was) texts.push(`its input ${key} was from ${was}, is now from ${is}`);
    else again.set(is, [...(again.get(is) ?? []), key]);
  }
  for (const [from, names] of again) {
    const inputs = names.length > 1 ? `inputs ${names.slice(0, -1).join(', ')} and` : 'input';
    texts.push(
      `its ${inputs} ${names.at(-1)} (from ${from}) ${names.length > 1 ? 'are' : 'is'} computed again`,
    );
  }
  return texts;
}

/** The members that differ, in the order of `now`, then the removed ones. */
function changes(before: object, now: object): { key: string; a: unknown; b: unknown }[] {
  const [from, to] = [before, now].map((value) => new Map<string, unknown>(Object.entries(value)));
  return [...new Set([...to.keys(), ...from.keys()])]
    .map((key) => ({ key, a: from.get(key), b: to.get(key) }))
    .filter(({ a, b }) => !isDeepStrictEqual(a, b));
}

/** Members of maps in maps under one name, `clip.weight`; lists stay whole. */
function flat(options: unknown, prefix = ''): Record<string, unknown> {
  if (!isMap(options)) return { [prefix]: options };
  const rows = Object.entries(options).map(([key, value]) => flat(value, prefix ? `${prefix}.${key}` : key));
  return Object.assign({}, ...rows);
}

/** `scenes/playbot/images/0001.png`; if the file no longer exists, its name in the key. */
function shownFile(name: string, places: Readonly<Record<string, string>>, cwd: string): string {
  const path = places[name];
  if (path === undefined) return name.replace(/^package:/, '');
  return pathBelow(cwd, path) === undefined ? path : relative(cwd, path);
}
