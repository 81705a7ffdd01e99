import { relative } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { AdapterReport } from '../../wgsl/core/index.ts';
import { literal } from '../file/describe.ts';
import type { StageIdentity } from './identity.ts';
import { ABSENT } from './packages.ts';
import { isBelow, type Places } from './places.ts';

export type Cause =
  | 'new'
  | 'stage'
  | 'option'
  | 'text'
  | 'file'
  | 'seed'
  | 'code'
  | 'package'
  | 'runtime'
  | 'adapter'
  | 'input';

/** One difference from an earlier run, in words: `train.steps was 300, is now 500`. */
export interface Reason {
  cause: Cause;
  text: string;
}

export interface Naming {
  /** The stage's id in the file; its name unless given. */
  id?: string;
  /** Where the files lie that are read now. */
  places?: Places;
  /** Paths below it are shown relative to it. Default: the working directory. */
  cwd?: string;
}

/** How many differences a sentence names. */
const SHOWN = 2;

/**
 * Why a stage has to run: what differs from the nearest of the `earlier` identities of the same stage, the one with the
 * fewest differences (the first of several; give the newest first). What is the stage's own comes before its inputs. Empty
 * where nothing differs.
 */
export function why(
  now: StageIdentity,
  earlier: readonly StageIdentity[],
  { id = now.stage, places, cwd = process.cwd() }: Naming = {},
): Reason[] {
  let nearest: Reason[] | undefined;
  for (const before of earlier) {
    if (before.stage !== now.stage) continue;
    const reasons = differences(before, now, id, (file) => shownFile(file, places, cwd));
    if (!nearest || reasons.length < nearest.length) nearest = reasons;
  }
  return nearest ?? [{ cause: 'new', text: 'never run before' }];
}

/** `train.steps was 300, is now 500; the seed was 42, is now 1; and 3 more`. */
export function sentence(reasons: readonly Reason[]): string {
  const shown = reasons.slice(0, SHOWN).map(({ text }) => text);
  const more = reasons.length - shown.length;
  return [...shown, ...(more ? [`and ${more} more`] : [])].join('; ');
}

function differences(
  before: StageIdentity,
  now: StageIdentity,
  id: string,
  shown: (file: string) => string,
): Reason[] {
  if (before.format !== now.format) {
    return [{ cause: 'stage', text: 'saved work is told apart in another way since' }];
  }
  const reasons: Reason[] = [];
  const add = (cause: Cause, text: string) => reasons.push({ cause, text });
  const options = changes(flat(before.options), flat(now.options));
  for (const { key, a, b } of options) {
    const name = [id, key].filter(Boolean).join('.');
    if (a === undefined) add('option', `${name} is now ${literal(b)}, was not set`);
    else if (b === undefined) add('option', `${name} was ${literal(a)}, is not set now`);
    else add('option', `${name} was ${literal(a)}, is now ${literal(b)}`);
  }
  for (const { key, a, b } of changes(before.texts, now.texts)) {
    // The text behind an option that has changed itself is the same change.
    if (options.some((option) => option.key === key || option.key.endsWith(`.${key}`))) continue;
    if (a === undefined) add('text', `the ${key} is now ${literal(b)}, was not read`);
    else if (b === undefined) add('text', `the ${key} was ${literal(a)}, is no longer read`);
    else add('text', `the ${key} was ${literal(a)}, is now ${literal(b)}`);
  }
  for (const { key, a, b } of changes(before.files, now.files)) {
    add('file', `${shown(key)} ${verb(a, b, 'is read now', 'is no longer read')}`);
  }
  if (before.seed !== now.seed) add('seed', `the seed was ${before.seed}, is now ${now.seed}`);
  for (const { key, a, b } of changes(before.code, now.code)) {
    add('code', `${key} ${verb(a, b, 'is new', 'is no longer used')}`);
  }
  for (const { key, a = ABSENT, b = ABSENT } of changes(before.packages, now.packages)) {
    add('package', `${key === 'webgpu' ? 'webgpu (Dawn)' : key} ${a}, now ${b}`);
  }
  const runtimes = [before.runtime, now.runtime].map(
    ({ node, platform, arch }) => `Node ${node} on ${platform} ${arch}`,
  );
  if (runtimes[0] !== runtimes[1]) add('runtime', `${runtimes[0]}, now ${runtimes[1]}`);
  const adapter = adapterDifference(before.adapter, now.adapter);
  if (adapter) add('adapter', adapter);
  const anew = new Map<string, string[]>();
  for (const { key, a, b } of changes(before.inputs, now.inputs)) {
    const [was, from] = [a, b].map((input) => (input as { stage: string } | undefined)?.stage);
    if (from === undefined) add('input', `it had an input ${key} (from ${was}), and has none now`);
    else if (was === undefined) add('input', `it has an input ${key} (from ${from}), and had none`);
    else if (from !== was) add('input', `its input ${key} was from ${was}, is now from ${from}`);
    else anew.set(from, [...(anew.get(from) ?? []), key]);
  }
  for (const [from, [first, ...others]] of anew) {
    const inputs = others.length
      ? `its inputs ${[first, ...others.slice(0, -1)].join(', ')} and ${others.at(-1)} (from ${from}) are`
      : `its input ${first} (from ${from}) is`;
    add('input', `${inputs} made anew`);
  }
  return reasons;
}

function verb(before: unknown, now: unknown, added: string, gone: string): string {
  return before === undefined ? added : now === undefined ? gone : 'has changed';
}

/** Another adapter by its name; where it calls itself the same, the first trait that differs. */
function adapterDifference(before: AdapterReport, now: AdapterReport): string | undefined {
  const [a, b] = [before, now].map(({ vendor, architecture, device, description, cpu }) =>
    [vendor, architecture, device, description, cpu].filter(Boolean).join(' '),
  );
  if (a !== b) return `another adapter: ${a}, now ${b}`;
  const [trait] = changes(before, now);
  return trait && `the adapter's ${trait.key}: ${literal(trait.a)}, now ${literal(trait.b)}`;
}

interface Change {
  key: string;
  a: unknown;
  b: unknown;
}

/** The members that differ, in the order of `now`, then those that are gone. */
function changes(before: object, now: object): Change[] {
  const [from, to] = [before, now].map((value) => new Map<string, unknown>(Object.entries(value)));
  return [...new Set([...to.keys(), ...from.keys()])]
    .map((key) => ({ key, a: from.get(key), b: to.get(key) }))
    .filter(({ a, b }) => !isDeepStrictEqual(a, b));
}

/** Members of maps in maps under one name, `clip.weight`; lists stay whole. */
function flat(options: unknown, prefix = ''): Record<string, unknown> {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) return { [prefix]: options };
  const rows = Object.entries(options).map(([key, value]) => flat(value, prefix ? `${prefix}.${key}` : key));
  return Object.assign({}, ...rows);
}

/** `scenes/playbot/images/0001.png`; where the file is gone, as the key has it. */
function shownFile(name: string, places: Places | undefined, cwd: string): string {
  const path = places?.files[name];
  if (path === undefined) return name.replace(/^package:/, '');
  const inside = relative(cwd, path);
  return isBelow(inside) ? inside : path;
}
