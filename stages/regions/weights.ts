import type { Arena } from '../../wgsl/core/index.ts';
import { regionWeights } from '../../wgsl/splat/edit/region-weights.ts';
import type { Dataset } from '../artefacts/dataset.ts';
import type { Gaussians } from '../artefacts/gaussians.ts';
import { type OutputFolder, type Report, silent } from '../stage.ts';
import { type RegionOption, regionOf } from './options.ts';
import { previewRegion } from './preview.ts';

export interface ChosenRegion {
  /** The option that has it, for messages. */
  name: string;
  option: RegionOption;
  /** What follows when no Gaussian is inside: `nothing changes`. */
  whenEmpty: string;
}

export interface RegionReport {
  report?: Report;
  /** Receives `region.png`, in which the region is orange, if the dataset has a training view. */
  output?: OutputFolder;
  dataset?: Dataset;
}

/**
 * The weight of each Gaussian in a region, f32 [N], in [0, 1], from its mean. Reports how many are inside, and warns when none is. The
 * arena owns the weights.
 */
export async function openRegion(
  arena: Arena,
  { name, option, whenEmpty }: ChosenRegion,
  gaussians: Gaussians,
  { report = silent, output, dataset }: RegionReport = {},
): Promise<GPUBuffer> {
  const { gpu } = arena;
  const { weights, insideCount } = await regionWeights(arena, regionOf(option), gaussians);
  const [inside] = await gpu.readWords(insideCount, 'metrics', 1);
  const text = `${name}: ${inside} of ${gaussians.count} Gaussians are in the region`;
  if (inside) report.note(text);
  else report.warn(`${text}, so ${whenEmpty}; regions are in world units of the capture`);
  const view = dataset?.views.find(({ split }) => split === 'train');
  if (view && output) {
    await output.write('region.png', await previewRegion(gpu, gaussians, weights, view.camera));
  }
  return weights;
}

/** The weights of the whole space: 1 for each of `count` Gaussians, f32 [count]. The arena owns them. */
export function everywhere(arena: Arena, count: number): GPUBuffer {
  return arena.upload('weights', new Float32Array(Math.max(1, count)).fill(1), 'parameters');
}
