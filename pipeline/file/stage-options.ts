import { InputError, type Place } from '../../wgsl/core/index.ts';
import { isMap, nearest, schemaAt } from './describe.ts';
import type { Entry } from './entries.ts';
import { mistakesOf } from './mistakes.ts';
import { applyOverride, type Override } from './override.ts';
import { pathMistakes, resolvePaths } from './paths.ts';
import type { PlannedStage } from './plan.ts';
import { stageSchema } from './schema.ts';
import type { Substitution } from './substitute.ts';
import type { Located, Path } from './yaml.ts';

/** The overrides by the stages that they name. Throws InputError where one names none. */
export function assignOverrides(
  entries: readonly Entry[],
  overrides: readonly Override[],
): Map<string, Override[]> {
  const byStage = new Map<string, Override[]>();
  for (const override of overrides) {
    const [id] = override.path;
    const ids = entries.map((entry) => entry.id);
    if (!ids.includes(id))
      throw new InputError(`no stage is called ${id}: ${nearest(id, ids)}`, override.place);
    byStage.set(id, [...(byStage.get(id) ?? []), override]);
  }
  return byStage;
}

/**
 * The options of a stage with its overrides and with `${…}` filled in, checked, paths absolute. Mistakes go to the
 * substitution's list; where there are any, the options are not to be used.
 */
export async function checkStage(
  entry: Entry,
  overrides: readonly Override[],
  located: Located,
  { base, cwd }: { base: string; cwd: string },
  substitution: Substitution,
): Promise<PlannedStage> {
  const { id, stage, at, place } = entry;
  const schema = stageSchema(stage);
  const overridden = new Map<string, Place>();
  const options = structuredCopy(entry.options);
  for (const override of overrides) {
    const path = override.path.slice(1);
    applyOverride(options, path, override, schema, id);
    overridden.set(JSON.stringify(path), override.place);
  }
  const overrideAt = (path: Path) =>
    path.map((_, i) => overridden.get(JSON.stringify(path.slice(0, path.length - i)))).find((found) => found);
  const placeOf = (path: Path) => overrideAt(path) ?? located.placeOf([...at, ...path]);
  const spot = { placeOf, wantsText: (path: Path) => schemaAt(schema, path)?.type === 'string' };
  const before = substitution.mistakes.length;
  const filled = substitution.fill(options, spot);
  // What could not be filled in needs no second complaint.
  if (substitution.mistakes.length > before) return { id, stage, options, place };
  const resolved = resolvePaths(filled, schema, (path) => (overrideAt(path) ? cwd : base));
  const parsed = stage.options.safeParse(resolved.value);
  if (!parsed.success)
    substitution.mistakes.push(...mistakesOf(parsed.error.issues, filled, schema, id, placeOf));
  substitution.mistakes.push(...(await pathMistakes(resolved.options, id, placeOf)));
  return { id, stage, options: parsed.data, place };
}

/** A deep copy that keeps maps without prototypes. */
function structuredCopy(value: Record<string, unknown>): Record<string, unknown> {
  const copy: Record<string, unknown> = Object.create(null);
  for (const [key, item] of Object.entries(value)) copy[key] = isMap(item) ? structuredCopy(item) : item;
  return copy;
}
