import type { Stage } from '../../stages/stage.ts';
import type { Place } from '../../wgsl/core/index.ts';
import { found, isMap, nearest } from './describe.ts';
import type { Mistake } from './mistakes.ts';
import { isStageId, RESERVED_IDS } from './schema.ts';
import type { Substitution } from './substitute.ts';
import type { Located, Path } from './yaml.ts';

/** One line of `stages`, its options not yet checked. */
export interface Entry {
  id: string;
  stage: Stage;
  /** Where the entry's options lie in the file. */
  at: Path;
  /** As the file has them; `${…}` is not yet filled in. */
  options: Record<string, unknown>;
  place: Place;
}

/**
 * The entries of `stages`: each a map of one known stage, with an id of its own, in which `${…}` is filled in. Mistakes go
 * to the substitution's list.
 */
export function readEntries(
  list: unknown,
  located: Located,
  registry: readonly Stage[],
  substitution: Substitution,
): Entry[] {
  if (!Array.isArray(list)) return []; // the check of the head says so
  const entries: Entry[] = [];
  const { mistakes } = substitution;
  list.forEach((item: unknown, index) => {
    const entry = readEntry(item, index, located, registry, substitution);
    if (!entry) return;
    if ('text' in entry) mistakes.push(entry);
    else if (!entries.some(({ id }) => id === entry.id)) entries.push(entry);
    else {
      const first = entries.find(({ id }) => id === entry.id)!.place.line;
      const text = `a second stage called ${entry.id} (the first is on line ${first}): give this one an \`id\` of its own`;
      mistakes.push({ text, place: located.placeOf([...entry.at, 'id']) });
    }
  });
  return entries;
}

/** Undefined where its id could not be filled in, which is a mistake already told. */
function readEntry(
  item: unknown,
  index: number,
  located: Located,
  registry: readonly Stage[],
  substitution: Substitution,
): Entry | Mistake | undefined {
  const keys = isMap(item) ? Object.keys(item) : [];
  const place = located.placeOf(keys.length ? ['stages', index, keys[0]] : ['stages', index]);
  if (!isMap(item) || keys.length === 0) {
    const text = `stage ${index + 1} is ${found(item)}: expected a map of one stage, such as \`- train: { steps: 500 }\``;
    return { text, place };
  }
  if (keys.length > 1) {
    const text = `stage ${index + 1} has ${keys.length} keys (${keys.join(', ')}): expected one; the next stage starts with \`- \``;
    return { text, place: located.placeOf(['stages', index, keys[1]]) };
  }
  const stage = registry.find(({ name }) => name === keys[0]);
  if (!stage) {
    const names = registry.map(({ name }) => name);
    return { text: `unknown stage ${keys[0]}: ${nearest(keys[0], names)}`, place };
  }
  const at = ['stages', index, stage.name];
  const given = item[stage.name] ?? {};
  if (!isMap(given)) {
    return { text: `the options of ${stage.name} are ${found(given)}: expected a map of options`, place };
  }
  const { id: written = stage.name, ...options } = given;
  const before = substitution.mistakes.length;
  const id = substitution.fill(written, {
    placeOf: () => located.placeOf([...at, 'id']),
    wantsText: () => true,
  });
  if (substitution.mistakes.length > before) return undefined;
  if (typeof id === 'string' && RESERVED_IDS.includes(id)) {
    const text = `\`id\` of ${stage.name} is ${id}, which means something else at the top of the file: give it another`;
    return { text, place: located.placeOf([...at, 'id']) };
  }
  if (!isStageId(id)) {
    const text = `\`id\` of ${stage.name} is ${found(id)}: expected letters, digits, dots, dashes and underscores`;
    return { text, place: located.placeOf([...at, 'id']) };
  }
  return { id, stage, at, options, place };
}
