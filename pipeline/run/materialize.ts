import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { hashFile } from '../hash.ts';
import { placeFile } from '../store/disk.ts';
import type { Entry } from '../store/entry.ts';
import { ARTEFACTS, FILES, filesOf, pathsBelow } from './entries.ts';
import { isResultPath, MANIFEST, type RunFolder, STAGES } from './run-folder.ts';

/** A file for people in a run's folder. */
const fileSchema = z.object({
  /** Below the run's folder. */
  path: z.string().refine(isResultPath),
  /** The id of the stage that wrote it, and that stage's key; older versions wrote no key. */
  stage: z.string(),
  key: z.string().optional(),
  bytes: z.number(),
  sha256: z.string(),
  /** An earlier run wrote it; this run has not reached its stage. */
  earlier: z.literal(true).optional(),
});
export type RunFile = z.output<typeof fileSchema>;

/** What a run needs of the run.json of an earlier one. Rows that are no files for people are passed over. */
const earlierSchema = z.object({
  status: z.string(),
  files: z.array(z.unknown()),
  stages: z.array(z.object({ id: z.string(), key: z.string() })).catch([]),
});

/**
 * Shows store entries in a run's folder: links where the file system can, else copies.
 *
 * A run removes only what its own stages replace. Results of later stages stay: with the plan's key they are still what the
 * plan gives, and no earlier stage's file replaces them; with another key they are stale and are reported.
 */
export class MaterializedResults {
  readonly #folder: RunFolder;
  /** The keys of all stages of the plan by id, in order; those of stages beyond `--until` included. */
  readonly #keys: ReadonlyMap<string, string>;
  #files = new Map<string, RunFile>();
  /** Files of this run that were not shown because a later stage's file under the same name is still current. */
  readonly #held = new Map<string, string>();

  constructor(folder: RunFolder, keys: ReadonlyMap<string, string>) {
    this.#folder = folder;
    this.#keys = keys;
  }

  /** All files for people in the folder. */
  get files(): RunFile[] {
    return [...this.#files.values()];
  }

  /** Whether this is what the plan gives, whichever run wrote it. */
  isCurrent({ stage, key, earlier }: RunFile): boolean {
    return !earlier || (key !== undefined && this.#keys.get(stage) === key);
  }

  /** Lists the files that earlier runs left. A run.json that cannot be read lists none. */
  async readEarlier(): Promise<void> {
    const { root } = this.#folder;
    const text = await readFile(join(root, MANIFEST), 'utf8').catch(() => '');
    const { status, files, stages } = parseEarlier(text) ?? { status: '', files: [], stages: [] };
    const keys = new Map(stages.map(({ id, key }) => [id, key]));
    for (const row of files) {
      const { data: file } = fileSchema.safeParse(row);
      if (!file) continue;
      const { key = file.earlier ? undefined : keys.get(file.stage), ...rest } = file;
      // A killed run has replaced files without listing them.
      const isThere = status === 'running' ? await hasContents(join(root, file.path), file) : true;
      if (isThere && (await stat(join(root, file.path)).catch(() => undefined))?.isFile()) {
        this.#files.set(file.path, { ...rest, ...(key === undefined ? {} : { key }), earlier: true });
      }
    }
  }

  /** Shows an entry's files for people. A folder replaces the one before it whole. */
  async showFiles(entry: Entry, stage: string): Promise<void> {
    const key = this.#keys.get(stage);
    const contents = new Map(entry.record.files.map((file) => [file.path, file]));
    const staging = await this.#folder.stage();
    await place(join(entry.folder, FILES), staging, filesOf(entry));
    for (const top of await readdir(staging)) {
      const holder = this.#laterHolder(top, stage);
      if (holder) {
        this.#held.set(top, holder);
        continue;
      }
      await this.#folder.place(join(staging, top), top);
      for (const path of this.#files.keys()) if (topOf(path) === top) this.#files.delete(path);
      for (const path of filesOf(entry).filter((path) => topOf(path) === top)) {
        const { bytes, sha256 } = contents.get(`${FILES}/${path}`)!;
        this.#files.set(path, { path, stage, key, bytes, sha256 });
        this.#held.delete(top);
      }
    }
  }

  /** `stages/<id>/`: the stage's artefacts, and `stage.json`. */
  async showStage(entry: Entry, id: string, about: object): Promise<void> {
    const staging = await this.#folder.stage();
    await place(join(entry.folder, ARTEFACTS), staging, pathsBelow(entry, ARTEFACTS));
    await writeFile(join(staging, 'stage.json'), `${JSON.stringify(about, null, 2)}\n`);
    await this.#folder.place(staging, join(STAGES, id));
  }

  /** Once all is done: removes the files that these stages left in earlier runs and do not give now. */
  async removeReplaced(stages: readonly string[]): Promise<void> {
    for (const { path, stage, earlier } of this.files) {
      if (!earlier || !stages.includes(stage)) continue;
      await this.#folder.remove(path);
      this.#files.delete(path);
    }
  }

  /** Files and stage folders that the plan does not give: of other settings, or of stages that it does not have. */
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

  /** Names that this run did not replace, each with the later stage whose result stays under it. */
  get held(): ReadonlyMap<string, string> {
    return this.#held;
  }

  /** A stage after this one whose current result stands under a name at the top of the folder. */
  #laterHolder(top: string, stage: string): string | undefined {
    const order = [...this.#keys.keys()];
    return this.files.find(
      (file) =>
        file.earlier &&
        topOf(file.path) === top &&
        this.isCurrent(file) &&
        order.indexOf(file.stage) > order.indexOf(stage),
    )?.stage;
  }
}

function topOf(path: string): string {
  return path.split('/')[0];
}

function parseEarlier(text: string): z.output<typeof earlierSchema> | undefined {
  try {
    return earlierSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

async function hasContents(path: string, { bytes, sha256 }: RunFile): Promise<boolean> {
  const found = await hashFile(path).catch(() => undefined);
  return found?.bytes === bytes && found.sha256 === sha256;
}

async function place(from: string, to: string, paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    await mkdir(dirname(join(to, path)), { recursive: true });
    await placeFile(join(from, path), join(to, path));
  }
}
