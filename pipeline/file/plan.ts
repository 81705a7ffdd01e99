import { type ArtefactName, type Stage, stageGives } from '../../stages/stage.ts';
import { InputError, type Place } from '../../wgsl/core/index.ts';
import type { Cell } from './cells.ts';
import type { Mistake } from './check.ts';
import { choices, literal, nearest } from './describe.ts';

/** One stage with its checked options, ready to run. */
export interface PlannedStage {
  id: string;
  stage: Stage;
  /** Parsed by the stage's schema, with defaults and absolute paths. */
  options: unknown;
  place: Place;
}

/** A pipeline file, checked as far as it can be without running it. */
export interface Plan {
  name: string;
  seed: number;
  stages: PlannedStage[];
  /** The pipeline file, absolute. */
  file: string;
  /** The interval at which a long stage saves unfinished work. Not part of a key: it changes no byte. */
  checkpoints: CheckpointInterval;
  /** The cell of this plan, if the file has a matrix. */
  cell?: Cell;
}

/** Seconds or finished steps between two checkpoints. */
export type CheckpointInterval = { seconds: number } | { steps: number } | 'off';

/**
 * Puts the stages that others require before them (`Stage.before`), unless the last earlier stage of that name has the same options.
 * Mistakes: one that has other options.
 */
export function addStagesBefore(stages: PlannedStage[], registry: readonly Stage[]): Mistake[] {
  const mistakes: Mistake[] = [];
  for (const planned of [...stages]) {
    const { id, place } = planned;
    const before = planned.stage.before?.(planned.options);
    if (!before) continue;
    const at = stages.indexOf(planned);
    const earlier = stages.slice(0, at).findLast(({ stage }) => stage.name === before.stage);
    if (!earlier) {
      const stage = registry.find(({ name }) => name === before.stage)!;
      const own = id === planned.stage.name ? stage.name : `${id}-${stage.name}`;
      stages.splice(at, 0, { id: own, stage, options: stage.options.parse(before.options), place });
      continue;
    }
    const given = earlier.options as Record<string, unknown>;
    const other = Object.keys(before.options).find((key) => given[key] !== before.options[key]);
    if (other) {
      const text = `\`${id}\` needs \`${earlier.id}\` with \`${other}: ${literal(before.options[other])}\`, and there it is ${literal(given[other])}`;
      mistakes.push({ text, place });
    }
  }
  return mistakes;
}

/** Stages with missing inputs at their position, each with the stages that produce them. */
export function orderMistakes(stages: readonly PlannedStage[], registry: readonly Stage[]): Mistake[] {
  const given = new Set<ArtefactName>();
  /** The stage that produced the dataset, if the dataset has no photographs. */
  let pictureless: PlannedStage | undefined;
  /** The stage that made other Gaussians after those of the base, if any. */
  let regrouped: PlannedStage | undefined;
  return stages.flatMap((planned) => {
    const { id, stage, options, place } = planned;
    const missing = stage.needs.filter((name) => !given.has(name));
    const gives = stageGives(stage, options);
    const mistakes = missing.length ? [{ text: needSentence(id, missing, stages, registry), place }] : [];
    if (stage.needsPhotographs && pictureless) {
      const text = `\`${id}\` needs photographs, and the dataset of \`${pictureless.id}\` has none; load a capture, or remove \`${id}\``;
      mistakes.push({ text, place });
    }
    if (stage.needsSameRows && regrouped) {
      const text =
        `\`${id}\` mixes each Gaussian with the same one before restyling, and \`${regrouped.id}\` made other Gaussians since; ` +
        `put \`${id}\` before \`${regrouped.id}\``;
      mistakes.push({ text, place });
    }
    // A stage that uses a base passes it on.
    if (gives.includes('base') && !(given.has('base') && stage.uses?.includes('base'))) regrouped = undefined;
    else if (stage.newRows && gives.includes('gaussians') && given.has('base')) regrouped = planned;
    for (const name of gives) given.add(name);
    if (gives.includes('dataset'))
      pictureless = stage.givesPhotographs?.(options) === false ? planned : undefined;
    return mistakes;
  });
}

/** One sentence for all missing inputs of a stage, with the stages of the file to move, or stages to add, before it. */
function needSentence(
  id: string,
  missing: readonly ArtefactName[],
  stages: readonly PlannedStage[],
  registry: readonly Stage[],
): string {
  const producers = missing.map((name) => {
    const later = stages.find(({ stage, options }) => stageGives(stage, options).includes(name));
    if (later && later.id !== id) return `\`${later.id}\``;
    const able = registry.filter(({ needs, gives }) => gives.includes(name) && !needs.includes(name));
    const unused = able.filter((stage) => !stages.some((planned) => planned.stage === stage));
    return (
      choices((unused.length ? unused : able).map((stage) => `\`${stage.name}\``)) ||
      `a stage that gives ${name}`
    );
  });
  const needs = `\`${id}\` needs ${missing.join(' and ')}, which no earlier stage produces`;
  return `impossible order: ${needs}; put ${[...new Set(producers)].join(' and ')} before it`;
}

/** The index of the stage called `id`; the error names `flag` (`--from`). */
export function stageIndex(plan: Plan, id: string, flag: string): number {
  const ids = plan.stages.map((stage) => stage.id);
  if (!ids.includes(id))
    throw new InputError(`no stage is called ${id}: ${nearest(id, ids)}`, `${flag} ${id}`);
  return ids.indexOf(id);
}
