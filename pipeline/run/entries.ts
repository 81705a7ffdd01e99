import { createHash } from 'node:crypto';
import type { ArtefactFormats } from '../../stages/artefacts/formats.ts';
import { type ArtefactName, stageGives } from '../../stages/stage.ts';
import type { KeyedStage } from '../keys/identity.ts';
import type { Entry } from '../store/entry.ts';

/*
 * The contents of a store entry: `artefacts/<name>/` for later stages, the result files in `published/<name>/` and `files/`,
 * and the fields of `OutputAbout`. Only the entry of the producing stage contains a pass-through artefact.
 */
export const ARTEFACTS = 'artefacts';
export const PUBLISHED = 'published';
export const FILES = 'files';

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
  /** The name of the run that wrote the entry; entries of older versions lack it. */
  run?: string;
  seconds: number;
  /** Peak bytes on the GPU, from the start of the run that wrote it to the end of the stage. */
  peakBytes: number;
  artefacts: Partial<Record<ArtefactName, ArtefactRef>>;
  /** Of the artefacts in this entry. */
  parts: Partial<Record<ArtefactName, PartHashes>>;
}

export function aboutOf(entry: Entry): OutputAbout {
  return entry.record.about as OutputAbout;
}

/** A file of an entry. `path` is below one of its folders, `inEntry` below the entry. */
export type PlacedFile = Entry['record']['files'][number] & { inEntry: string };

export function filesBelow(entry: Entry, folder: string): PlacedFile[] {
  const files = entry.record.files.filter(({ path }) => path.startsWith(`${folder}/`));
  return files.map((file) => ({ ...file, path: file.path.slice(folder.length + 1), inEntry: file.path }));
}

/** A stage's result files: those that it wrote, and those of these artefacts. */
export function filesForPeople(entry: Entry, published: readonly ArtefactName[]): PlacedFile[] {
  return [FILES, ...published.map((name) => `${PUBLISHED}/${name}`)].flatMap((one) => filesBelow(entry, one));
}

/** Whether an artefact is the first splat of a scene. Its published file has its own entry, because most runs replace it. */
export function isFirstSplat({ stage }: KeyedStage, name: ArtefactName): boolean {
  return name === 'gaussians' && !stage.needs.includes('gaussians');
}

/** The key of that entry. A source stage has no other entry. */
export function publicationKey({ stage, key }: KeyedStage): string {
  return stage.source ? key : createHash('sha256').update(`${key} published`).digest('hex');
}

/**
 * The artefacts of a stage that are published: those with a result file. The first splat of a scene is not published if
 * a later stage of the run produces another one.
 */
export function publishedNames(
  keyed: KeyedStage,
  later: readonly KeyedStage[],
  formats: ArtefactFormats,
): ArtefactName[] {
  const isReplaced = later.some((one) => stageGives(one.stage, one.options).includes('gaussians'));
  const isUnpublished = (name: ArtefactName) => isReplaced && isFirstSplat(keyed, name);
  return stageGives(keyed.stage, keyed.options).filter(
    (name) => formats[name].publish && !isUnpublished(name),
  );
}

/** One stage's results, as a store entry or a run.json lists them. */
export interface StageOutput {
  parts: OutputAbout['parts'];
  outputs: Entry['record']['files'];
}

/** A video's bytes depend on the machine's cores, and at a given bitrate on its threads. Its pictures are compared instead. */
const VIDEO = /\.mp4$/;

/**
 * The hashes by which two results of one stage are compared: tensors and pictures of artefacts that have parts, and other files.
 * Published files follow from the artefacts.
 */
export function comparedParts({ parts, outputs }: StageOutput): PartHashes {
  const named = Object.entries(parts).flatMap(([name, hashes]) =>
    Object.entries(hashes).map(([part, sha256]) => [name, part, sha256]),
  );
  const isCovered = (path: string) =>
    path.startsWith(`${PUBLISHED}/`) || named.some(([name]) => path.startsWith(`${ARTEFACTS}/${name}/`));
  const files = outputs.filter(({ path }) => !VIDEO.test(path) && !isCovered(path));
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
