import { existsSync } from 'node:fs';
import { rm, stat, utimes } from 'node:fs/promises';
import { basename, join, relative, resolve } from 'node:path';
import { type ArtefactFormats, artefactFormats } from '../../stages/artefacts/formats.ts';
import type { ArtefactName } from '../../stages/stage.ts';
import { type Gpu, InputError } from '../../wgsl/core/index.ts';
import { sha256Of } from '../hash.ts';
import { openDevice } from '../open-device.ts';
import { codeOf, explainDiskError, ignore, makeDirectory, namesIn, replaceDurably } from '../store/disk.ts';
import type { Entry } from '../store/entry.ts';
import { Store } from '../store/store.ts';
import { loadArtefact } from './artefacts.ts';
import { ARTEFACTS, aboutOf, FILES, RECORDS } from './entries.ts';
import { type Manifest, readManifest } from './manifest.ts';
import { RunResults } from './results.ts';
import { MANIFEST, RunFolder } from './run-folder.ts';

/*
 * The last runs of each name: `runs/<name>/<key>.json` in the store is the run.json of a finished run. Its results are the entries
 * that it names, which gc keeps, so a kept run needs no copies.
 */

/** The number of runs of each name that are kept. */
export const KEPT_RUNS = 10;
/** Digits of a run's key in its reference. */
const SHOWN_DIGITS = 8;

/** `fox`; `styles/rococo-1` for the cell of a matrix. */
function nameOf({ name, cell }: Pick<Manifest, 'name' | 'cell'>): string {
  return cell ? `${name}/${cell.name}` : name;
}

/** What the results of a run depend on: the keys of its stages. */
function keyOf({ stages }: Pick<Manifest, 'stages'>): string {
  return sha256Of(JSON.stringify(stages.map(({ id, key }) => [id, key])));
}

/** `fox@3fa2b1c9`: the name and the key of a run. */
export function runReference(manifest: Manifest): string {
  return `${nameOf(manifest)}@${keyOf(manifest).slice(0, SHOWN_DIGITS)}`;
}

/** A run in the store. */
export interface KeptRun {
  reference: string;
  /** Its run.json. */
  file: string;
  /** When it last finished, milliseconds. */
  keptAt: number;
}

const folderOf = (store: Store, name: string) => store.path('runs', encodeURIComponent(name));

/**
 * Keeps a run that finished now or at `finished`, and of its name the ten newest. One whose stages were all cached is kept as it was
 * made. False if it is not kept: it has not finished, ten newer ones are kept, or the store is read-only.
 * @throws InputError if the disk is full.
 */
export async function keepRun(store: Store, manifest: Manifest, finished?: Date): Promise<boolean> {
  if (manifest.status !== 'done' || !(await store.exists())) return false;
  const folder = folderOf(store, nameOf(manifest));
  const file = join(folder, `${keyOf(manifest)}.json`);
  const isKept = existsSync(file);
  if (isKept && finished) return true;
  const time = finished ?? new Date();
  try {
    if (!isKept || manifest.stages.some(({ resolvedBy }) => resolvedBy === 'ran')) {
      await makeDirectory(folder);
      const kept: Manifest = { ...manifest, store: relative(folder, store.root) };
      await replaceDurably(file, `${JSON.stringify(kept)}\n`);
    }
    await utimes(file, time, time);
    for (const { file: old } of (await keptIn(store, nameOf(manifest))).slice(KEPT_RUNS)) {
      await rm(old, { force: true }); // another process may have removed it
    }
    return existsSync(file);
  } catch (error) {
    if (['EROFS', 'EACCES', 'EPERM'].includes(codeOf(error) ?? '')) return false;
    throw explainDiskError(error, store.root);
  }
}

/** The kept runs of a name, the newest first. */
async function keptIn(store: Store, name: string): Promise<KeptRun[]> {
  const folder = folderOf(store, name);
  const files = (await namesIn(folder)).filter((file) => /^[0-9a-f]{64}\.json$/.test(file));
  const runs: KeptRun[] = [];
  for (const file of files) {
    const path = join(folder, file);
    const info = await stat(path).catch(ignore('ENOENT'));
    const reference = `${name}@${file.slice(0, SHOWN_DIGITS)}`;
    if (info) runs.push({ reference, file: path, keptAt: info.mtimeMs });
  }
  return runs.sort((a, b) => b.keptAt - a.keptAt);
}

/** The kept runs of all names, the newest of each name first; at most `limit` of each. */
export async function keptRuns(store: Store, limit = KEPT_RUNS): Promise<KeptRun[]> {
  const names = (await namesIn(store.path('runs'))).map(decodeURIComponent);
  return (await Promise.all(names.map(async (name) => (await keptIn(store, name)).slice(0, limit)))).flat();
}

/** Forgets all runs but the `limit` newest of each name. Their saved work stays until gc frees it. */
export async function forgetRuns(store: Store, limit: number): Promise<void> {
  const kept = new Set((await keptRuns(store, limit)).map(({ file }) => file));
  for (const { file } of await keptRuns(store, Number.POSITIVE_INFINITY)) {
    if (kept.has(file)) continue;
    await rm(file, { force: true }).catch((error: unknown) => {
      throw explainDiskError(error, store.root);
    });
  }
}

/** The keys of the entries of kept runs. A run.json that cannot be read keeps none. */
export async function keysOfRuns(runs: readonly KeptRun[]): Promise<Set<string>> {
  const manifests = await Promise.all(runs.map(({ file }) => readManifest(file).catch(() => undefined)));
  return new Set(manifests.flatMap((read) => (read ? read.manifest.stages.map(({ key }) => key) : [])));
}

/** Whether the store still has the results of a run. */
export function hasResults(store: Store, { stages }: Manifest): boolean {
  const saved = stages.filter(({ resolvedBy }) => resolvedBy === 'ran' || resolvedBy === 'cached');
  return saved.every(({ key }) => existsSync(store.folderOf(key)));
}

/**
 * The path of a run: of the folder or run.json that `run` names, or of the kept run `NAME@KEY`, where a few digits of the key suffice.
 * @throws InputError if there is neither, or several such runs.
 */
export async function findRun(run: string, store: Store): Promise<string> {
  const [, name, digits] = /^(.+)@([0-9a-f]{1,64})$/.exec(run) ?? [];
  if (name === undefined || existsSync(run)) return run;
  const kept = await keptIn(store, name);
  const found = kept.filter(({ file }) => basename(file).startsWith(digits));
  if (found.length === 1) return found[0].file;
  const others = kept.length ? `; it keeps ${kept.map(({ reference }) => reference).join(', ')}` : '';
  throw new InputError(
    found.length
      ? `${found.length} kept runs have such a key: give more digits`
      : `${store.root} keeps no such run${others}; splatline runs lists all`,
    run,
  );
}

export interface RestoreOptions {
  /** The device that writes `splat.ply` from saved tensors. Default: a new one, if the run has such a file. */
  gpu?: Gpu;
  formats?: ArtefactFormats;
}

/**
 * Writes the results of a kept run into a folder, which is new, empty or that of an earlier run: links to the entries of the store, and
 * the files in public formats. Nothing is computed again. `file` is its run.json in the store. `missing` names the files that only the
 * inputs of the run have, such as the splat that it loaded.
 * @throws InputError if the store lacks its saved work.
 */
export async function restoreRun(
  file: string,
  out: string,
  options: RestoreOptions = {},
): Promise<{ manifest: Manifest; missing: string[] }> {
  const { manifest, folder: home } = await readManifest(file);
  const store = new Store(resolve(home, manifest.store));
  const entries = await entriesOf(store, manifest);
  const folder = new RunFolder(out);
  await folder.open();
  try {
    const results = new RunResults(folder, manifest.stages);
    const write = async (status: Manifest['status']) => {
      const files = results.files.filter((one) => results.isCurrent(one));
      const restored: Manifest = { ...manifest, status, store: relative(folder.root, store.root), files };
      await folder.write(MANIFEST, `${JSON.stringify(restored, null, 2)}\n`);
      return restored;
    };
    await results.readEarlier();
    await write('running');
    for (const row of manifest.stages) {
      const entry = entries.get(row.key);
      if (entry) await results.show(row, entry);
    }
    const missing = await publish(manifest, entries, results, options);
    await results.removeReplaced(manifest.stages);
    return { manifest: await write('done'), missing };
  } finally {
    await folder.close();
  }
}

async function entriesOf(store: Store, { stages, command, name }: Manifest): Promise<Map<string, Entry>> {
  const entries = new Map<string, Entry>();
  for (const { id, key, resolvedBy } of stages) {
    if (resolvedBy !== 'ran' && resolvedBy !== 'cached') continue;
    const entry = await store.find(key, [ARTEFACTS, FILES, RECORDS]);
    if (!entry) {
      throw new InputError(
        `the saved work of ${id} is no longer in ${store.root}; repeat the run: ${command}`,
        name,
      );
    }
    entries.set(key, entry);
  }
  return entries;
}

/** Writes the files in public formats, which are no part of an entry. Returns those that cannot be written. */
async function publish(
  { files }: Manifest,
  entries: ReadonlyMap<string, Entry>,
  results: RunResults,
  { gpu: given, formats = artefactFormats }: RestoreOptions,
): Promise<string[]> {
  const names = Object.keys(formats) as ArtefactName[];
  const wanted = files.flatMap(({ path, stage, key, earlier }) => {
    const name = names.find((one) => formats[one].published?.file === path);
    if (earlier || !name) return [];
    const entry = entries.get(key);
    const ref = entry && aboutOf(entry).artefacts[name];
    const producer = ref && entries.get(ref.key);
    return [
      { path, stage, key, format: formats[name], source: producer && { entry: producer, name: ref.name } },
    ];
  });
  const gpu = given ?? (wanted.some(({ source }) => source) ? await openDevice() : undefined);
  try {
    for (const { path, stage, key, format, source } of wanted) {
      if (!source || !gpu) continue;
      await results.publish({ id: stage, key }, path, async () => {
        const value = (await loadArtefact({ gpu, formats }, source.entry, source.name)) as never;
        const bytes = await format.published!.bytes(gpu, value);
        for (const buffer of format.buffers(value)) buffer.destroy();
        return bytes;
      });
    }
  } finally {
    if (!given) gpu?.close();
  }
  return wanted.flatMap(({ path, source }) => (source ? [] : [path]));
}
