/** One number with its unit, e.g. { name: 'psnr', value: 31.5, unit: 'dB' }. */
export interface Score {
  name: string;
  value: number;
  unit: string;
  /** What it was measured on, in a few words: `7 held-out views`. */
  over: string;
}

export interface Scores {
  scores: Score[];
}
