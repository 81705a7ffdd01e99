/**
 * A named part of a saved artefact: a tensor of a splat, a frame of a turntable. Parts are hashed one by one, so that the
 * runner can name the part that differs between two runs.
 */
export interface SavedPart {
  name: string;
  /** File in the artefact's folder, and its byte range from `start` up to `end`. */
  file: string;
  start: number;
  end: number;
}
