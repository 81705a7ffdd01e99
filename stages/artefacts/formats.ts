import type { Gpu } from '../../wgsl/core/index.ts';
import type { ArtefactName, Artefacts, OutputFolder } from '../stage.ts';
import { loadFrames, saveFrames } from './frames-file.ts';
import { GAUSSIAN_PARAMETERS } from './gaussians.ts';
import { formatScores, loadScores, saveScores } from './scores-file.ts';
import { loadStyle, saveStyle } from './style-file.ts';

/**
 * All that the runner knows of an artefact. `save` fills an empty folder with what `load` turns into the same value, to
 * the byte; an artefact that only source stages give has neither. `publish` writes it for people, at the end of a run.
 */
export interface ArtefactFormat<Value> {
  /** The GPU buffers that the value holds: the runner frees those that nothing later needs. */
  buffers(value: Value): GPUBuffer[];
  save?(gpu: Gpu, value: Value, folder: string): Promise<void>;
  load?(gpu: Gpu, folder: string): Promise<Value>;
  publish?(gpu: Gpu, value: Value, output: OutputFolder): Promise<void>;
}

export type ArtefactFormats = { readonly [Name in ArtefactName]: ArtefactFormat<Artefacts[Name]> };

export const artefactFormats: ArtefactFormats = {
  dataset: { buffers: ({ views }) => views.flatMap(({ image }) => image ?? []) },
  gaussians: { buffers: (splat) => GAUSSIAN_PARAMETERS.map((name) => splat[name]) },
  base: { buffers: (splat) => GAUSSIAN_PARAMETERS.map((name) => splat[name]) },
  frames: {
    buffers: ({ frames, before }) => [...frames, ...before].flatMap(({ color, depth }) => [color, depth]),
    save: saveFrames,
    load: loadFrames,
  },
  style: { buffers: () => [], save: saveStyle, load: loadStyle },
  scores: {
    buffers: () => [],
    save: saveScores,
    load: loadScores,
    publish: (_gpu, scores, output) => output.write('scores.json', formatScores(scores)),
  },
};
