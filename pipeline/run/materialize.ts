import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArtefactName } from '../../stages/stage.ts';
import type { KeyedStage } from '../keys/identity.ts';
import { placeFile } from '../store/disk.ts';
import { damagesOf, type Entry } from '../store/entry.ts';
import { ARTEFACTS, aboutOf, filesBelow, filesForPeople, type PlacedFile } from './entries.ts';
import { type RunFile, readManifest } from './manifest.ts';
import { type RunFolder, STAGES } from './run-folder.ts';

/**
 * Links store entries into a run's folder; copies if the file system has no links.
 *
 * A run removes only files that its own stages replace. Results of later stages stay: with the plan's key they are current, and
 * no earlier stage's file replaces them; with another key they are stale and are reported.
 */
export class MaterializedResults {
  /** Names that this run did not replace, each with the later stage whose current result stays under it. */
  readonly held = new Map<string, string>();
  readonly #folder: RunFolder;
  /** The keys of all stages of the plan by id, in order; those of stages beyond `--until` included. */
  readonly #keys: ReadonlyMap<string, string>;
  #files = new Map<string, RunFile>();

  constructor(folder: RunFolder, planned: readonly KeyedStage[]) {
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

  /** Lists the existing files of earlier runs. An unreadable run.json lists none. */
  async readEarlier(): Promise<void> {
    const { root } = this.#folder;
    const earlier = await readManifest(root).catch(() => undefined);
    if (!earlier) return;
    const { status, files } = earlier.manifest;
    // A killed run has replaced files without listing them.
    const changed = await damagesOf(root, files, status === 'running');
    for (const file of files) {
      if (changed.some(({ path }) => path === file.path)) continue;
      this.#files.set(file.path, { ...file, earlier: true });
    }
  }

  /**
   * Links a stage's result files, those of `published` artefacts included, and in `stages/<id>/` its artefacts and
   * `stage.json`. A folder replaces the previous one as a whole.
   */
  async show(keyed: KeyedStage, entry: Entry, published: readonly ArtefactName[]): Promise<void> {
    await this.#showFiles(keyed, entry, filesForPeople(entry, published));
    const { id, key, stage, seed, options, identity, places } = keyed;
    if (stage.source || entry.key !== key) return;
    const { seconds, artefacts } = aboutOf(entry);
    const { made } = entry.record;
    const about = { id, stage: stage.name, key, seed, options, artefacts, made, seconds, identity, places };
    const staging = await this.#placed(entry, filesBelow(entry, ARTEFACTS));
    await writeFile(join(staging, 'stage.json'), `${JSON.stringify(about, null, 2)}\n`);
    await this.#folder.place(staging, join(STAGES, id));
  }

  async #showFiles({ id: stage, key }: KeyedStage, entry: Entry, files: PlacedFile[]): Promise<void> {
    const staging = await this.#placed(entry, files);
    for (const top of new Set(files.map(({ path }) => topOf(path)))) {
      const holder = this.#laterHolder(top, stage);
      if (holder?.earlier) this.held.set(top, holder.stage);
      if (holder) continue;
      this.held.delete(top);
      await this.#folder.place(join(staging, top), top);
      for (const path of this.#files.keys()) if (topOf(path) === top) this.#files.delete(path);
      for (const { path, bytes, sha256 } of files) {
        if (topOf(path) === top) this.#files.set(path, { path, stage, key, bytes, sha256 });
      }
    }
  }

  /** At the end: removes files of these stages from earlier runs that the stages no longer produce. */
  async removeReplaced(stages: readonly KeyedStage[]): Promise<void> {
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

  /** A current result of a later stage under a name at the top of the folder, of an earlier run or of this one. */
  #laterHolder(top: string, stage: string): RunFile | undefined {
    const order = [...this.#keys.keys()];
    return this.files.find(
      (file) =>
        topOf(file.path) === top && this.isCurrent(file) && order.indexOf(file.stage) > order.indexOf(stage),
    );
  }

  /** A new staging folder with files of an entry. */
  async #placed({ folder }: Entry, files: readonly PlacedFile[]): Promise<string> {
    const staging = await this.#folder.temporary();
    for (const { path, inEntry } of files) await placeFile(join(folder, inEntry), join(staging, path));
    return staging;
  }
}

function topOf(path: string): string {
  return path.split('/')[0];
}
