import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256Of } from '../hash.ts';
import type { KeyedStage } from '../keys/identity.ts';
import { placeFile } from '../store/disk.ts';
import { damagesOf, type Entry } from '../store/entry.ts';
import { ARTEFACTS, aboutOf, FILES, filesBelow, RECORDS } from './entries.ts';
import { type Manifest, type RunFile, readManifest, type StageRow } from './manifest.ts';
import { type RunFolder, STAGES } from './run-folder.ts';

/** A stage by its name. */
type ShownStage = Pick<StageRow, 'id' | 'key' | 'stage' | 'seed' | 'options' | 'identity' | 'places'>;

/**
 * The result files in a run's folder: links to the files of store entries, and artefacts in public formats.
 *
 * A run removes only files that its own stages replace. Results of later stages stay: with the plan's key they are current, and
 * no earlier stage's file replaces them; with another key they are stale and are reported.
 */
export class RunResults {
  readonly #folder: RunFolder;
  /** The keys of all stages of the plan by id, in order; those of stages beyond `--until` included. */
  readonly #keys: ReadonlyMap<string, string>;
  #files = new Map<string, RunFile>();

  constructor(folder: RunFolder, planned: readonly Pick<KeyedStage, 'id' | 'key'>[]) {
    this.#folder = folder;
    this.#keys = new Map(planned.map(({ id, key }) => [id, key]));
  }

  /** All result files in the folder. */
  get files(): RunFile[] {
    return [...this.#files.values()];
  }

  /** Whether it is current, independent of the run that wrote it. */
  isCurrent({ stage, key }: RunFile): boolean {
    return this.#keys.get(stage) === key;
  }

  /** Lists the existing files of earlier runs, and returns the record of the last one. An unreadable run.json lists none. */
  async readEarlier(): Promise<Manifest | undefined> {
    const { root } = this.#folder;
    const earlier = await readManifest(root).catch(() => undefined);
    if (!earlier) return undefined;
    const { status, files } = earlier.manifest;
    // A killed run has replaced files without listing them.
    const changed = await damagesOf(root, files, () => status === 'running');
    for (const file of files) {
      if (changed.some(({ path }) => path === file.path)) continue;
      this.#files.set(file.path, { ...file, earlier: true });
    }
    return earlier.manifest;
  }

  /** Links a stage's result files, and in `stages/<id>/` its artefacts and records, in place of earlier ones. */
  async show({ id, key, stage, seed, options, identity, places }: ShownStage, entry: Entry): Promise<void> {
    const files = filesBelow(entry, FILES);
    const linked = await this.#linked(entry, FILES);
    for (const top of new Set(files.map(({ path }) => topOf(path)))) {
      if (this.#hasLaterResult(top, id)) continue;
      await this.#folder.place(join(linked, top), top);
      for (const path of this.#files.keys()) if (topOf(path) === top) this.#files.delete(path);
      for (const file of files) {
        if (topOf(file.path) === top) this.#files.set(file.path, { ...file, stage: id, key });
      }
    }
    const { seconds, artefacts } = aboutOf(entry);
    const { made } = entry.record;
    const about = { id, stage, key, seed, options, artefacts, made, seconds, identity, places };
    const staging = await this.#linked(entry, ARTEFACTS, RECORDS);
    await writeFile(join(staging, 'stage.json'), `${JSON.stringify(about, null, 2)}\n`);
    await this.#folder.place(staging, join(STAGES, id));
  }

  /** Writes a stage's artefact in a public format, unless the file is there. */
  async publish(
    { id: stage, key }: Pick<KeyedStage, 'id' | 'key'>,
    path: string,
    bytesOf: () => Promise<Uint8Array>,
  ): Promise<void> {
    if (this.#hasLaterResult(path, stage)) return;
    let file: RunFile | undefined = this.#files.get(path);
    const isThere =
      file?.stage === stage && file.key === key && (await damagesOf(this.#folder.root, [file])).length === 0;
    if (!isThere) {
      const bytes = await bytesOf();
      await this.#folder.write(path, bytes);
      file = { path, stage, key, bytes: bytes.length, sha256: sha256Of(bytes) };
    }
    this.#files.delete(path); // listed again, in the order of the stages
    this.#files.set(path, { ...file!, earlier: undefined });
  }

  /** At the end: removes files of these stages from earlier runs that the stages no longer produce. */
  async removeReplaced(stages: readonly { id: string }[]): Promise<void> {
    for (const { path, stage, earlier } of this.files) {
      if (!earlier || !stages.some(({ id }) => id === stage)) continue;
      await this.#folder.remove(path);
      this.#files.delete(path);
    }
  }

  /** Stale files and stage folders: of other settings, or of stages that are not in the plan. */
  async stale(): Promise<string[]> {
    const paths = this.files.filter((file) => !this.isCurrent(file)).map(({ path }) => path);
    const { root } = this.#folder;
    for (const id of (await readdir(join(root, STAGES)).catch(() => [])).sort()) {
      const text = await readFile(join(root, STAGES, id, 'stage.json'), 'utf8').catch(() => '');
      const key = /^ {2}"key": "([0-9a-f]+)"/m.exec(text)?.[1];
      if (key === undefined || key !== this.#keys.get(id)) paths.push(join(STAGES, id));
    }
    return paths;
  }

  /** Whether a name at the top of the folder has a current result of a later stage, of an earlier run or of this one. */
  #hasLaterResult(top: string, stage: string): boolean {
    const order = [...this.#keys.keys()];
    return this.files.some(
      (file) =>
        topOf(file.path) === top && this.isCurrent(file) && order.indexOf(file.stage) > order.indexOf(stage),
    );
  }

  /** A new staging folder with links to the files below folders of an entry. */
  async #linked(entry: Entry, ...folders: string[]): Promise<string> {
    const staging = await this.#folder.temporary();
    for (const folder of folders) {
      for (const { path } of filesBelow(entry, folder)) {
        await placeFile(join(entry.folder, folder, path), join(staging, path));
      }
    }
    return staging;
  }
}

function topOf(path: string): string {
  return path.split('/')[0];
}
