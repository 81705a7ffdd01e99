import { join } from 'node:path';
import * as z from 'zod';
import { checkJson } from '../../stages/artefacts/json.ts';
import type { ArtefactName } from '../../stages/stage.ts';
import { type Entry, isKey, RECORD } from '../store/entry.ts';

/*
 * The contents of a store entry: `artefacts/<name>/` for later stages, the stage's result files in `files/`, files about its
 * work in `records/` (`metrics.jsonl`, pictures behind a score), and the fields of `OutputAbout`. Only the entry of the producing stage contains a pass-through artefact.
 */
export const ARTEFACTS = 'artefacts';
export const FILES = 'files';
export const RECORDS = 'records';

/** An artefact by the key of the stage that produced it. */
export interface ArtefactRef {
  key: string;
  name: ArtefactName;
}

/** sha256 by tensor, picture or file. */
export type PartHashes = Record<string, string>;

/** The runner's fields of a store entry. */
export interface OutputAbout {
  /** The stage's name. */
  stage: string;
  /** The name of the run that wrote the entry. */
  run: string;
  seconds: number;
  /** Peak bytes on the GPU, from the start of the run that wrote it to the end of the stage. */
  peakBytes: number;
  artefacts: Partial<Record<ArtefactName, ArtefactRef>>;
  /** Of the artefacts in this entry. */
  parts: Partial<Record<ArtefactName, PartHashes>>;
}

const aboutSchema = z.object({
  stage: z.string(),
  run: z.string(),
  seconds: z.number(),
  peakBytes: z.number(),
  artefacts: z.record(z.string(), z.object({ key: z.string().refine(isKey, 'is no key'), name: z.string() })),
  parts: z.record(z.string(), z.record(z.string(), z.string())),
}) as z.ZodType<OutputAbout>;

/** @throws InputError with the entry's record and the member that is damaged. */
export function aboutOf({ folder, record: { about } }: Entry): OutputAbout {
  return checkJson(join(folder, RECORD), z.object({ about: aboutSchema }), { about }).about;
}

/** The files below a folder of an entry, with their paths there. */
export function filesBelow(entry: Entry, folder: string): Entry['record']['files'] {
  const files = entry.record.files.filter(({ path }) => path.startsWith(`${folder}/`));
  return files.map((file) => ({ ...file, path: file.path.slice(folder.length + 1) }));
}

/** One stage's results, as a store entry or a run.json lists them. */
export interface StageOutput {
  parts: OutputAbout['parts'];
  outputs: Entry['record']['files'];
}

/**
 * A video's bytes depend on the machine's cores, and at a given bitrate on its threads. Its pictures are compared instead. A log
 * has times.
 */
const VARYING = /\.(mp4|webm|log)$/;

/** Whether the bytes of a file repeat, so that they can be compared. */
export const isCompared = (path: string) => !VARYING.test(path);

/**
 * The hashes by which two results of one stage are compared: tensors and pictures of artefacts that have parts, and other files.
 */
export function comparedParts({ parts, outputs }: StageOutput): PartHashes {
  const named = Object.entries(parts).flatMap(([name, hashes]) =>
    Object.entries(hashes).map(([part, sha256]) => [name, part, sha256]),
  );
  const isCovered = (path: string) => named.some(([name]) => path.startsWith(`${ARTEFACTS}/${name}/`));
  const files = outputs.filter(({ path }) => isCompared(path) && !isCovered(path));
  return Object.fromEntries([
    ...named.map(([name, part, sha256]) => [`${name} ${part}`, sha256]),
    ...files.map(({ path, sha256 }) => [path, sha256]),
  ]);
}

/** Tensors, pictures and files in which two results of one stage differ. */
export function differences(before: StageOutput, now: StageOutput): string[] {
  const [a, b] = [comparedParts(before), comparedParts(now)];
  return Object.keys({ ...a, ...b }).filter((name) => a[name] !== b[name]);
}
