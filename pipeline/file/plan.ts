import { type ArtefactName, type Stage, stageGives } from '../../stages/stage.ts';
import { InputError, type Place } from '../../wgsl/core/index.ts';
import type { Cell } from './cells.ts';
import { choices, nearest } from './describe.ts';
import type { Mistake } from './mistakes.ts';

/** One stage with its checked options, ready to run. */
export interface PlannedStage {
  id: string;
  stage: Stage;
  /** Parsed by the stage's schema: defaults are filled in, paths are absolute. */
  options: unknown;
  place: Place;
}

/** What a pipeline file asks for, checked as far as it can be without running it. */
export interface Plan {
  name: string;
  seed: number;
  stages: PlannedStage[];
  /** The pipeline file, absolute. */
  file: string;
  /** How often a stage that takes long saves its unfinished work. Part of no key: it changes no byte. */
  checkpoints: CheckpointInterval;
  /** The cell of the matrix that this is, where the file has one. */
  cell?: Cell;
}

/** Seconds or finished steps between two checkpoints. */
export type CheckpointInterval = { seconds: number } | { steps: number } | 'off';

/** Stages whose needs no stage before them gives, each with the stage that would. */
export function orderMistakes(stages: readonly PlannedStage[], registry: readonly Stage[]): Mistake[] {
  const given = new Set<ArtefactName>();
  /** The stage that gave the dataset, where it has no photographs. */
  let pictureless: PlannedStage | undefined;
  return stages.flatMap((planned) => {
    const { id, stage, options, place } = planned;
    const missing = stage.needs.filter((name) => !given.has(name));
    const gives = stageGives(stage, options);
    const mistakes = missing.map((name) => ({ text: needSentence(id, name, stages, registry), place }));
    if (stage.needsPhotographs && pictureless) {
      const text = `\`${id}\` needs photographs, and what \`${pictureless.id}\` loads has none; load a COLMAP capture, or leave \`${id}\` out`;
      mistakes.push({ text, place });
    }
    for (const name of gives) given.add(name);
    if (gives.includes('dataset'))
      pictureless = stage.givesPhotographs?.(options) === false ? planned : undefined;
    return mistakes;
  });
}

function needSentence(
  id: string,
  name: ArtefactName,
  stages: readonly PlannedStage[],
  registry: readonly Stage[],
): string {
  const later = stages.filter(
    (other) => other.id !== id && stageGives(other.stage, other.options).includes(name),
  );
  const able = registry
    .filter(({ needs, gives }) => gives.includes(name) && !needs.includes(name))
    .map((stage) => `\`${stage.name}\``);
  const mend = later.length
    ? `move \`${later[0].id}\` before it`
    : able.length
      ? `add ${choices(able)} before it`
      : 'no stage gives it';
  return `impossible order: \`${id}\` needs ${name}, which no stage before it gives; ${mend}`;
}

/** The index of the stage called `id`; `flag` (`--from`) is what the error names. */
export function stageIndex(plan: Plan, id: string, flag: string): number {
  const index = plan.stages.findIndex((stage) => stage.id === id);
  if (index < 0) {
    throw new InputError(
      `no stage is called ${id}: ${nearest(
        id,
        plan.stages.map((stage) => stage.id),
      )}`,
      `${flag} ${id}`,
    );
  }
  return index;
}
