import type { Stage } from '../../stages/stage.ts';
import type { Place } from '../../wgsl/core/index.ts';
import { found, nearest } from './describe.ts';
import type { Mistake } from './mistakes.ts';
import { isStageId } from './schema.ts';
import type { Located, Path } from './yaml.ts';

/** One line of `stages`, its options not yet checked. */
export interface Entry {
  id: string;
  stage: Stage;
  /** Where the entry's options lie in the file. */
  at: Path;
  options: Record<string, unknown>;
  place: Place;
}

/** The entries of `stages`: each a map of one known stage, with an id of its own. Mistakes are added to the list. */
export function readEntries(
  list: unknown,
  located: Located,
  registry: readonly Stage[],
  mistakes: Mistake[],
): Entry[] {
  if (!Array.isArray(list)) return []; // the check of the head says so
  const entries: Entry[] = [];
  list.forEach((item: unknown, index) => {
    const entry = readEntry(item, index, located, registry);
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

function readEntry(
  item: unknown,
  index: number,
  located: Located,
  registry: readonly Stage[],
): Entry | Mistake {
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
  const { id = stage.name, ...options } = given;
  if (!isStageId(id)) {
    const text = `\`id\` of ${stage.name} is ${found(id)}: expected letters, digits, dots, dashes and underscores`;
    return { text, place: located.placeOf([...at, 'id']) };
  }
  return { id, stage, at, options, place };
}

export function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
