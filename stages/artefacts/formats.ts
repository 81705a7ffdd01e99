import { join } from 'node:path';
import type { Gpu } from '../../wgsl/core/index.ts';
import type { ArtefactName, Artefacts, OutputFolder } from '../stage.ts';
import { framesParts, loadFrames, saveFrames } from './frames.ts';
import { GAUSSIAN_PARAMETERS, type Gaussians } from './gaussians.ts';
import { gaussiansParts, loadGaussians, saveGaussians } from './gaussians-file.ts';
import { exportPly } from './gaussians-ply.ts';
import type { SavedPart } from './saved-part.ts';
import { loadScores, saveScores } from './scores.ts';
import { loadStyle, saveStyle } from './style.ts';

/**
 * All that the runner knows of an artefact. `save` fills an empty folder with what `load` turns into the same value, to
 * the byte; an artefact that only source stages give has neither. `publish` writes it for people, at the end of a run.
 */
export interface ArtefactFormat<Value> {
  /** The GPU buffers that the value holds: the runner frees those that nothing later needs. */
  buffers(value: Value): GPUBuffer[];
  save?(gpu: Gpu, value: Value, folder: string): Promise<void>;
  load?(gpu: Gpu, folder: string): Promise<Value>;
  /** The pieces of what `save` wrote, to say which one differs; without it, files are compared whole. */
  parts?(folder: string): Promise<SavedPart[]>;
  publish?(gpu: Gpu, value: Value, output: OutputFolder): Promise<void>;
}

export type ArtefactFormats = { readonly [Name in ArtefactName]: ArtefactFormat<Artefacts[Name]> };

/** A row per artefact. The dataset is never kept: its stage reads the capture again. */
export const artefactFormats: ArtefactFormats = {
  dataset: { buffers: ({ views }) => views.flatMap(({ image }) => image ?? []) },
  gaussians: splatFormat('splat.ply'),
  base: splatFormat('base.ply'),
  style: { buffers: () => [], save: saveStyle, load: loadStyle },
  frames: {
    buffers: ({ frames, before }) => [...frames, ...before].flatMap(({ color, depth }) => [color, depth]),
    save: saveFrames,
    load: loadFrames,
    parts: framesParts,
  },
  scores: { buffers: () => [], save: saveScores, load: loadScores },
};

/** Kept exactly, and published in 3DGS's .ply layout. */
function splatFormat(published: string): ArtefactFormat<Gaussians> {
  const fileIn = (folder: string) => join(folder, 'gaussians.safetensors');
  return {
    buffers: (splat) => GAUSSIAN_PARAMETERS.map((name) => splat[name]),
    save: (gpu, splat, folder) => saveGaussians(gpu, splat, fileIn(folder)),
    load: (gpu, folder) => loadGaussians(gpu, fileIn(folder)),
    parts: (folder) => gaussiansParts(fileIn(folder)),
    publish: async (gpu, splat, output) => output.write(published, await exportPly(gpu, splat)),
  };
}
