import { Draw } from './draw.ts';
import { mutate } from './mutate.ts';
import { CAPTURES, PICTURES, VIDEOS } from './targets/captures.ts';
import { CAMERA_PATHS, DOCUMENTS } from './targets/documents.ts';
import { RUNS } from './targets/runs.ts';
import { SAVED } from './targets/saved.ts';
import { SPLATS } from './targets/splats.ts';
import type { Target } from './targets/target.ts';

/** All targets. Their order is part of what a seed and the number of a case repeat. */
export const TARGETS = [
  ...[...CAPTURES, ...CAMERA_PATHS, ...PICTURES, ...SPLATS, ...VIDEOS, ...DOCUMENTS],
  ...[...SAVED, ...RUNS],
];

/** The targets in the order in which cases take turns: a target of weight 3 has three of them. */
const TURNS = (() => {
  const most = Math.max(...TARGETS.map(({ weight = 1 }) => weight));
  return Array.from({ length: most }, (_, k) => TARGETS.filter(({ weight = 1 }) => weight > k)).flat();
})();

/** The target of a case. Cases below 0 are whole inputs: −1 that of the first target. */
export function targetOf(index: number): Target {
  return index < 0 ? TARGETS[-1 - index] : TURNS[index % TURNS.length];
}

const whole = new Map<Target, ReturnType<Target['files']>>();

/** The files of a case, one of them changed. */
export async function changedCase(seed: number, index: number) {
  const target = targetOf(index);
  if (!whole.has(target)) whole.set(target, target.files());
  const files = await whole.get(target)!;
  if (index < 0) {
    const [name] = Object.keys(target.changes);
    const own = Buffer.from(files[name]);
    return { files: { ...files, [name]: target.wrap?.(own) ?? own }, changed: 'unchanged' };
  }
  const draw = new Draw(seed, index);
  const name = draw.pick(Object.keys(target.changes));
  const contents = mutate(Buffer.from(files[name]), target.changes[name], draw);
  const changed = target.wrap?.(contents) ?? contents;
  return { files: { ...files, [name]: changed }, changed: name };
}
