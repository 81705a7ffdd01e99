/**
 * A named piece of a saved artefact: a tensor of a splat, a picture of a turntable. Pieces are hashed one by one, so that a
 * difference between two runs can be named.
 */
export interface SavedPart {
  name: string;
  /** File in the artefact's folder, and the bytes in it: from `start` up to `end`. */
  file: string;
  start: number;
  end: number;
}
