import { blendStage } from './blend/stage.ts';
import { exportStage } from './export/stage.ts';
import { initStage } from './init/stage.ts';
import { loadStage } from './load/stage.ts';
import { orbitStage } from './orbit/stage.ts';
import { scoreStage } from './score/stage.ts';
import { sfmStage } from './sfm/stage.ts';
import type { Stage } from './stage.ts';
import { stylizeStage } from './stylize/stage.ts';
import { trainStage } from './train/stage.ts';

/** All stages, in their usual order. */
export const stages: readonly Stage[] = [
  sfmStage,
  loadStage,
  initStage,
  trainStage,
  stylizeStage,
  blendStage,
  orbitStage,
  scoreStage,
  exportStage,
];
