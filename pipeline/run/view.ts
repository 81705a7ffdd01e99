import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { placeFile } from '../store/links.ts';
import type { Entry } from '../store/record.ts';
import { type RunFolder, STAGES } from './folder.ts';
import { ARTEFACTS, FILES, filesOf, pathsBelow } from './outputs.ts';
import type { Results } from './results.ts';

/** Makes a run's folder show what lies in the store: links where the file system can, copies where it cannot. */
export class View {
  readonly #folder: RunFolder;
  readonly #results: Results;

  constructor(folder: RunFolder, results: Results) {
    this.#folder = folder;
    this.#results = results;
  }

  /** The entry's files for people. A folder replaces its forerunner. */
  async showFiles(entry: Entry, stage: string): Promise<void> {
    const paths = filesOf(entry);
    const aside = await this.#folder.aside();
    await place(join(entry.folder, FILES), aside, paths);
    for (const name of await readdir(aside)) await this.#folder.place(join(aside, name), name);
    this.#results.add(paths, stage);
  }

  /** `stages/<id>/`: what the stage gave, and `stage.json`, which says what made it. */
  async showStage(entry: Entry, id: string, about: object): Promise<void> {
    const aside = await this.#folder.aside();
    await place(join(entry.folder, ARTEFACTS), aside, pathsBelow(entry, ARTEFACTS));
    await writeFile(join(aside, 'stage.json'), `${JSON.stringify(about, null, 2)}\n`);
    await this.#folder.place(aside, join(STAGES, id));
  }

  /** Takes away the folders of stages that the run no longer has. */
  async onlyStages(ids: readonly string[]): Promise<void> {
    const there = await readdir(join(this.#folder.root, STAGES)).catch(() => []);
    for (const id of there) if (!ids.includes(id)) await this.#folder.remove(join(STAGES, id));
  }
}

async function place(from: string, to: string, paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    await mkdir(dirname(join(to, path)), { recursive: true });
    await placeFile(join(from, path), join(to, path));
  }
}
