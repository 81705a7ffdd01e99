import type { Gpu } from '../../../wgsl/core/index.ts';
import type { Vec3 } from '../../artefacts/camera.ts';
import type { Dataset } from '../../artefacts/dataset.ts';
import type { Exposures } from '../../artefacts/exposures.ts';
import type { Frames } from '../../artefacts/frames.ts';
import type { Gaussians } from '../../artefacts/gaussians.ts';
import type { Score, Scores } from '../../artefacts/scores.ts';
import type { Style } from '../../artefacts/style.ts';
import type { Prompt } from '../../clip/prompts.ts';
import type { WeightedPrompt } from '../../clip/weighted-prompt.ts';
import type { OutputFolder } from '../../stage.ts';

export { scoreOf as score } from '../../artefacts/scores.ts';

/** The input of score. Artefacts that no earlier stage produced are absent. */
export interface ScoreScene {
  dataset: Dataset;
  gaussians: Gaussians;
  /** The splat before restyling. */
  base?: Gaussians;
  /** Training learnt exposures: held-out views are also scored with one that is fitted to the photograph. */
  exposures?: Exposures;
  frames?: Frames;
  style?: Style;
  /** Of an earlier stage; they are kept. */
  scores?: Scores;
}

export interface MetricSettings {
  prompt?: WeightedPrompt;
  /** A CLIP model, in one of the forms of `resolveModel`. */
  model?: string;
  /** A second model, which did not steer the restyling. */
  judge?: string;
  /** Other prompts, among which the model ranks the prompt. */
  among: readonly Prompt[];
  background: Vec3;
}

/** The scene, and `share` for measurements that several metrics use: each runs once. */
export interface MetricInput {
  gpu: Gpu;
  scene: ScoreScene;
  settings: MetricSettings;
  /** Optional receiver of the pictures behind a score. */
  records?: OutputFolder;
  share<Value>(key: string, make: () => Promise<Value>): Promise<Value>;
}

/** Scores, or the reason why there is nothing to measure. */
export type Measured = Score[] | { skipped: string };

/** A metric: its name in the options, its description, what its score says to a reader, and its measurement. */
export interface Metric {
  name: string;
  summary: string;
  meaning: string;
  measure(input: MetricInput): Promise<Measured>;
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** `7 held-out views`, `1 held-out view`. */
export function countOf(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? '' : 's'}`;
}

/** Why a metric that compares neighbouring frames skips separate views. */
export const UNORDERED = 'it compares neighbouring frames, and those of orbit.path: views are separate views';
