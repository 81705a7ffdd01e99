import { join } from 'node:path';
import type { Gpu } from '../../wgsl/core/index.ts';
import type { ArtefactName, Artefacts } from '../stage.ts';
import { formatExposures, loadExposures, saveExposures } from './exposures.ts';
import { framesParts, loadFrames, saveFrames } from './frames.ts';
import { GAUSSIAN_PARAMETERS, type Gaussians } from './gaussians.ts';
import { gaussiansParts, loadGaussians, saveGaussians } from './gaussians-file.ts';
import { exportPly } from './gaussians-ply.ts';
import { formatPoses, loadPoses, savePoses } from './poses.ts';
import { loadReconstruction, saveReconstruction } from './reconstruction.ts';
import type { SavedPart } from './saved-part.ts';
import { loadScores, saveScores } from './scores.ts';
import { loadStyle, saveStyle } from './style.ts';

/**
 * How the runner stores an artefact. `save` writes the value into an empty folder and `load` restores it to the byte; an
 * artefact that only source stages produce has neither.
 */
export interface ArtefactFormat<Value> {
  /** The GPU buffers of the value. The runner frees those that no later stage needs. */
  buffers(value: Value): GPUBuffer[];
  save?(gpu: Gpu, value: Value, folder: string): Promise<void>;
  load?(gpu: Gpu, folder: string): Promise<Value>;
  /** The parts of the saved files, to name the one that differs. Without it, whole files are compared. */
  parts?(folder: string): Promise<SavedPart[]>;
  /** Its file in a public format in the folder of a run. The bytes follow from the value. */
  published?: { file: string; bytes(gpu: Gpu, value: Value): Promise<Uint8Array> };
}

export type ArtefactFormats = { readonly [Name in ArtefactName]: ArtefactFormat<Artefacts[Name]> };

/** One row per artefact. The dataset is never saved: its stage reads the capture again. */
export const artefactFormats: ArtefactFormats = {
  reconstruction: { buffers: () => [], save: saveReconstruction, load: loadReconstruction },
  dataset: { buffers: ({ views }) => views.flatMap(({ image }) => image ?? []) },
  gaussians: splatFormat('splat.ply'),
  base: splatFormat('base.ply'),
  style: { buffers: () => [], save: saveStyle, load: loadStyle },
  exposures: {
    buffers: () => [],
    save: saveExposures,
    load: loadExposures,
    published: {
      file: 'exposures.json',
      bytes: async (_, exposures) => new TextEncoder().encode(formatExposures(exposures)),
    },
  },
  poses: {
    buffers: () => [],
    save: savePoses,
    load: loadPoses,
    published: {
      file: 'poses.json',
      bytes: async (_, poses) => new TextEncoder().encode(formatPoses(poses)),
    },
  },
  frames: {
    buffers: ({ frames, before }) => [...frames, ...before].flatMap(({ color, depth }) => [color, depth]),
    save: saveFrames,
    load: loadFrames,
    parts: framesParts,
  },
  scores: { buffers: () => [], save: saveScores, load: loadScores },
};

/** Saved exactly, and published in the .ply layout of 3DGS. */
function splatFormat(file: string): ArtefactFormat<Gaussians> {
  const fileIn = (folder: string) => join(folder, 'gaussians.safetensors');
  return {
    buffers: (splat) => GAUSSIAN_PARAMETERS.map((name) => splat[name]),
    save: (gpu, splat, folder) => saveGaussians(gpu, splat, fileIn(folder)),
    load: (gpu, folder) => loadGaussians(gpu, fileIn(folder)),
    parts: (folder) => gaussiansParts(fileIn(folder)),
    published: { file, bytes: exportPly },
  };
}
