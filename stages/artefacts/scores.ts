import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import type { Gpu } from '../../wgsl/core/index.ts';
import { readSavedJson } from './json.ts';

/** One number with its unit, e.g. { name: 'psnr', value: 31.5, unit: 'dB' }. */
export interface Score {
  name: string;
  value: number;
  /** `1` for a ratio. */
  unit: string;
  /** What the score was measured on: `7 held-out views`. */
  over: string;
}

/** The scores of a splat and its frames, in a fixed order. */
export interface Scores {
  scores: Score[];
}

/** Scores are rounded, so that they print alike everywhere. */
const DECIMALS = 6;

/** A score with its value rounded to six decimals. @throws Error when the value is not finite. */
export function scoreOf(name: string, value: number, unit: string, over: string): Score {
  if (!Number.isFinite(value)) throw new Error(`score ${name} is ${value}`);
  return { name, value: Number(value.toFixed(DECIMALS)), unit, over };
}

/** The scores of an earlier stage, if there is one, and then those of this stage, which replace those of the same name. */
export function mergeScores(earlier: Scores | undefined, { scores }: Scores): Scores {
  const names = new Set(scores.map(({ name }) => name));
  return { scores: [...(earlier?.scores ?? []).filter(({ name }) => !names.has(name)), ...scores] };
}

export const scoreSchema = z.strictObject({
  name: z.string(),
  value: z.number(),
  unit: z.string(),
  over: z.string(),
});
const scoresFile = z.strictObject({ scores: z.array(scoreSchema) });

/** The text of `scores.json`: one line per score, in order, with its rounded value. Equal scores give equal bytes. */
export function formatScores({ scores }: Scores): string {
  const lines = scores.map(
    ({ name, value, unit, over }) => `    ${JSON.stringify({ name, value, unit, over })}`,
  );
  return `{\n  "scores": [\n${lines.join(',\n')}\n  ]\n}\n`;
}

/** Writes `scores.json` into a folder. */
export async function saveScores(_gpu: Gpu, scores: Scores, folder: string): Promise<void> {
  await writeFile(join(folder, 'scores.json'), formatScores(scores));
}

/** Loads what `saveScores` wrote. @throws InputError when it is missing or invalid. */
export async function loadScores(_gpu: Gpu, folder: string): Promise<Scores> {
  return readSavedJson(join(folder, 'scores.json'), scoresFile, 'score');
}
