import { createHash } from 'node:crypto';
import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ArtefactFormat, ArtefactFormats } from '../../stages/artefacts/formats.ts';
import type { SavedPart } from '../../stages/artefacts/saved-part.ts';
import type { ArtefactName, Artefacts, Stage } from '../../stages/stage.ts';
import type { Gpu } from '../../wgsl/core/index.ts';
import { type Code, CodeReader } from '../keys/code.ts';
import type { Entry } from '../store/entry.ts';
import type { Store } from '../store/store.ts';

/*
 * What the runner keeps in a store entry: `artefacts/<name>/` for later stages, `files/` for people, and the fields of
 * `OutputAbout`. An artefact that a stage passes on unchanged is kept only in the entry of the stage that made it.
 */
export const ARTEFACTS = 'artefacts';
export const FILES = 'files';

/** An artefact by the key of the stage that made it. */
export interface ArtefactRef {
  key: string;
  name: ArtefactName;
}

export function refId({ key, name }: ArtefactRef): string {
  return `${key} ${name}`;
}

/** sha256 by tensor, picture or file. */
export type PartHashes = Record<string, string>;

/** The runner's fields of a store entry. */
export interface OutputAbout {
  /** The stage's name. */
  stage: string;
  /** The name of the run that made the entry; entries of older versions lack it. */
  run?: string;
  seconds: number;
  /** Most bytes that were alive on the GPU, from the start of the run that made it to the end of the stage. */
  peakBytes: number;
  artefacts: Partial<Record<ArtefactName, ArtefactRef>>;
  /** Of the artefacts that this entry holds. */
  parts: Partial<Record<ArtefactName, PartHashes>>;
}

export function aboutOf(entry: Entry): OutputAbout {
  return entry.record.about as OutputAbout;
}

/** Paths of an entry's files for people, relative to the run's folder. */
export function filesOf(entry: Entry): string[] {
  return pathsBelow(entry, FILES);
}

export function pathsBelow(entry: Entry, folder: string): string[] {
  const paths = entry.record.files.map(({ path }) => path);
  return paths.filter((path) => path.startsWith(`${folder}/`)).map((path) => path.slice(folder.length + 1));
}

/** Writes one artefact below `draft` and hashes its parts. */
export async function saveArtefact<Name extends ArtefactName>(
  { gpu, formats }: { gpu: Gpu; formats: ArtefactFormats },
  draft: string,
  name: Name,
  value: Artefacts[Name],
): Promise<PartHashes> {
  const format: ArtefactFormat<Artefacts[Name]> = formats[name];
  if (!format.save) throw new Error(`${name} cannot be saved: only a source stage can give it`);
  const folder = join(draft, ARTEFACTS, name);
  await mkdir(folder, { recursive: true });
  await format.save(gpu, value, folder);
  const hashes: PartHashes = {};
  for (const part of (await format.parts?.(folder)) ?? []) hashes[part.name] = await hashPart(folder, part);
  return hashes;
}

/** Loads one artefact; undefined where the files are not as they were saved. */
export async function loadArtefact<Name extends ArtefactName>(
  { gpu, formats, store }: { gpu: Gpu; formats: ArtefactFormats; store: Store },
  entry: Entry,
  name: Name,
): Promise<Artefacts[Name] | undefined> {
  const format: ArtefactFormat<Artefacts[Name]> = formats[name];
  if (!format.load) throw new Error(`${name} cannot be loaded: only a source stage can give it`);
  const folder = `${ARTEFACTS}/${name}`;
  const paths = pathsBelow(entry, folder).map((path) => `${folder}/${path}`);
  if (!paths.length || (await store.check(entry, paths)).length) return undefined;
  return format.load(gpu, join(entry.folder, folder));
}

async function hashPart(folder: string, { file, start, end }: SavedPart): Promise<string> {
  const hash = createHash('sha256');
  const handle = await open(join(folder, file));
  try {
    if (end > start) {
      for await (const chunk of handle.createReadStream({ start, end: end - 1, autoClose: false })) {
        hash.update(chunk as Uint8Array);
      }
    }
  } finally {
    await handle.close();
  }
  return hash.digest('hex');
}

/**
 * An artefact in its file for people (`splat.ply`) has an entry of its own. Its key covers the artefact and the code that
 * writes the file, so that a change of that code trains nothing again.
 */
export interface Publication {
  key: string;
  /** `publishes` and `of.name` differ where a splat is passed on as `base`. */
  identity: { publishes: ArtefactName; of: ArtefactRef; code: Code };
}

const FORMATS = fileURLToPath(new URL('../../stages/artefacts/formats.ts', import.meta.url));
let formatCode: Code | undefined;

export function publicationOf(name: ArtefactName, ref: ArtefactRef): Publication {
  formatCode ??= new CodeReader().codeOf([FORMATS]);
  const identity = { publishes: name, of: { key: ref.key, name: ref.name }, code: formatCode };
  return { key: createHash('sha256').update(JSON.stringify(identity)).digest('hex'), identity };
}

/** Artefacts with a file for people. */
export function publishedNames(formats: ArtefactFormats): ArtefactName[] {
  return (Object.keys(formats) as ArtefactName[]).filter((name) => formats[name].publish);
}

/** Whether a stage's artefacts are published as soon as it is done. The first splat of a scene waits for the end. */
export function publishesAtOnce({ gives, needs }: Stage): boolean {
  return !(gives.includes('gaussians') && !needs.includes('gaussians'));
}

/** One stage's results, as a store entry or a run.json lists them. */
export interface StageOutput {
  parts: OutputAbout['parts'];
  outputs: readonly { path: string; bytes: number; sha256: string }[];
}

/** A video's bytes depend on the machine's cores, and at a given bitrate on its threads. Its pictures are compared instead. */
const VIDEO = /\.mp4$/;

/** Tensors, pictures and files in which two results of one stage differ. */
export function differences(before: StageOutput, now: StageOutput): string[] {
  const names = Object.keys({ ...before.parts, ...now.parts }) as ArtefactName[];
  const parts = names.flatMap((name) =>
    differing(before.parts[name], now.parts[name]).map((part) => `${name} ${part}`),
  );
  return [...parts, ...differing(wholeFiles(before), wholeFiles(now))];
}

/** The files that are compared as files: no videos, no artefacts that are compared part by part. */
function wholeFiles({ outputs, parts }: StageOutput): PartHashes {
  const hasParts = (path: string) => {
    const [top, name] = path.split('/');
    return top === ARTEFACTS && Object.keys(parts[name as ArtefactName] ?? {}).length > 0;
  };
  const rows = outputs.filter(({ path }) => !VIDEO.test(path) && !hasParts(path));
  return Object.fromEntries(rows.map(({ path, sha256 }) => [path, sha256]));
}

function differing(a: PartHashes = {}, b: PartHashes = {}): string[] {
  return Object.keys({ ...a, ...b }).filter((name) => a[name] !== b[name]);
}
