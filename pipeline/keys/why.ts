import { isDeepStrictEqual } from 'node:util';
import { isMap, literal } from '../file/describe.ts';
import { pathBelow } from './code.ts';
import type { KeyedStage, StageIdentity } from './identity.ts';

/** Maximum number of differences in a sentence. */
const MAX_SHOWN = 2;

/** `train.steps was 300, is now 500; the seed was 42, is now 1; and 3 more`. */
export function sentence(reasons: readonly string[]): string {
  const more = reasons.length - MAX_SHOWN;
  return [...reasons.slice(0, MAX_SHOWN), ...(more > 0 ? [`and ${more} more`] : [])].join('; ');
}

/**
 * The differences of a stage from an earlier run of it, in words. Inputs come last. Empty if nothing differs. Messages use the
 * stage's id in the file, and the absolute paths of the files that are read now, by their names in the identity.
 */
export function why(
  before: StageIdentity,
  now: StageIdentity,
  { id = now.stage, places = {} }: Partial<Pick<KeyedStage, 'id' | 'places'>> = {},
): string[] {
  if (before.format !== now.format) return ['another version of splatline saved its results'];
  const options = changedMembers(flat(before.options), flat(now.options));
  // A changed option explains the change of its text.
  const texts = options.length ? [] : changedMembers(before.texts, now.texts);
  // The first trait identifies the adapter or the engine; the others follow from it.
  const [runtime] = changedMembers(before.runtime, now.runtime);
  const [adapter] = changedMembers(before.adapter, now.adapter);
  const producers = changedMembers(before.inputs, now.inputs).map(({ a, b }) => (b ?? a)!.stage);
  return [
    ...options.map((change) => newValue(`${id}.`, change)),
    ...texts.map((change) => newValue('the ', change)),
    ...changedMembers(before.files, now.files).map((change) =>
      newFile(shownFile(change.key, places), change),
    ),
    ...changedMembers({ seed: before.seed }, { seed: now.seed }).map((change) => newValue('the ', change)),
    ...changedMembers(before.code, now.code).map((change) => newFile(change.key, change)),
    ...changedMembers(before.packages, now.packages).map((change) => newValue('the package ', change)),
    ...(runtime ? [newValue("the runtime's ", runtime)] : []),
    ...(adapter ? [newValue("the adapter's ", adapter)] : []),
    ...[...new Set(producers)].map((stage) => `its input from ${stage} has changed`),
  ];
}

/** A member that differs; undefined where it is absent. */
interface Change<Value> {
  key: string;
  a?: Value;
  b?: Value;
}

/** Absent in a damaged record. */
type Members<Value> = { [key: string]: Value } | object | undefined | null;

/** The members that differ, in the order of `now`, then the removed ones. */
export function changedMembers<Value>(before: Members<Value>, now: Members<Value>): Change<Value>[] {
  const [was, is] = [before, now].map((members) => new Map<string, Value>(Object.entries(members ?? {})));
  return [...new Set([...is.keys(), ...was.keys()])]
    .map((key) => ({ key, a: was.get(key), b: is.get(key) }))
    .filter(({ a, b }) => !isDeepStrictEqual(a, b));
}

function newValue(prefix: string, { key, a, b }: Change<unknown>): string {
  const shown = (value: unknown) => (value === undefined ? 'absent' : literal(value));
  return `${prefix}${key} was ${shown(a)}, is now ${shown(b)}`;
}

function newFile(name: string, { a, b }: Change<unknown>): string {
  return `${name} ${a === undefined ? 'is new' : b === undefined ? 'is gone' : 'has changed'}`;
}

/** Members of maps in maps under one name, `clip.weight`; lists stay whole. */
export function flat(options: unknown, prefix = ''): Record<string, unknown> {
  if (!isMap(options)) return { [prefix]: options };
  const rows = Object.entries(options).map(([key, value]) => flat(value, prefix ? `${prefix}.${key}` : key));
  return Object.assign({}, ...rows);
}

/** `scenes/playbot/images/0001.png`; if the file no longer exists, its name in the key. */
function shownFile(name: string, places: Readonly<Record<string, string>>): string {
  const path = places[name];
  return path === undefined ? name.replace(/^package:/, '') : (pathBelow(process.cwd(), path) ?? path);
}
