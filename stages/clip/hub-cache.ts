/**
 * The cache of the Hugging Face Hub on this machine, in the layout that all clients share
 * (https://huggingface.co/docs/huggingface_hub/guides/manage-cache): `models--OWNER--NAME/` with `blobs/HASH`,
 * `snapshots/COMMIT/FILE` (links to blobs) and `refs/REVISION` (a commit). Reads and writes files only; no network.
 */
import {
  copyFile,
  link,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { InputError } from '../../wgsl/core/index.ts';
import { chooseFiles } from './model-files.ts';

/** `owner/name`, or `owner/name@revision` with a branch, a tag, a `refs/pr/N` or a commit. */
export const HUB_NAME = /^(?<name>[\w-][\w.-]*\/[\w-][\w.-]*)(@(?<revision>(?!.*\.\.)\w[\w./-]*))?$/;
const COMMIT = /^[0-9a-f]{40}$/;

/** A model of the Hub at a revision. */
export interface HubModel {
  /** `owner/name` */
  name: string;
  revision: string;
}

/** A model in the cache. */
export interface Snapshot {
  folder: string;
  commit: string;
}

/** Undefined for a text of another form. */
export function parseHubName(text: string): HubModel | undefined {
  const { name, revision = 'main' } = HUB_NAME.exec(text)?.groups ?? {};
  return name === undefined ? undefined : { name, revision };
}

function hubHome({ env } = process): string {
  return env.HF_HOME || join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'huggingface');
}

/** The folder of the cache, by the variables that every client honours. */
export function hubCache({ env } = process): string {
  return env.HF_HUB_CACHE || env.HUGGINGFACE_HUB_CACHE || join(hubHome(), 'hub');
}

/** The user's token: `HF_TOKEN`, or the file that `hf auth login` writes. @throws InputError when it is no token. */
export async function hubToken({ env } = process): Promise<string | undefined> {
  const path = env.HF_TOKEN_PATH || join(hubHome(), 'token');
  const given = env.HF_TOKEN?.trim();
  const token = given || (await readFile(path, 'utf8').catch(() => '')).trim();
  if (/^[\x21-\x7e]*$/.test(token)) return token || undefined;
  throw new InputError('is no token: it has spaces or other characters inside', given ? 'HF_TOKEN' : path);
}

/** The folder of a repository in the cache. */
export function repositoryFolder(name: string): string {
  return join(hubCache(), `models--${name.replace('/', '--')}`);
}

/** A model that the cache holds at its revision, with all the files that a CLIP model needs; else undefined. */
export async function cachedSnapshot({ name, revision }: HubModel): Promise<Snapshot | undefined> {
  const repository = repositoryFolder(name);
  const ref = await readFile(join(repository, 'refs', revision), 'utf8').catch(() => revision);
  const commit = ref.trim();
  if (!COMMIT.test(commit)) return undefined;
  const folder = join(repository, 'snapshots', commit);
  return 'fault' in chooseFiles(await filesOf(folder)) ? undefined : { folder, commit };
}

/** A model of the cache, for lists. */
export interface CachedModel extends Snapshot {
  name: string;
  /** The revisions that are at this commit. */
  revisions: string[];
  bytes: number;
}

/** The snapshots of the cache that have the files of a CLIP model, in the order of their names. */
export async function cachedModels(): Promise<CachedModel[]> {
  const found: CachedModel[] = [];
  for (const repository of (await namesIn(hubCache())).filter((name) => name.startsWith('models--')).sort()) {
    const name = repository.slice('models--'.length).replace('--', '/');
    const root = join(hubCache(), repository);
    for (const commit of (await namesIn(join(root, 'snapshots'))).sort()) {
      const cached = await cachedSnapshot({ name, revision: commit });
      if (!cached) continue;
      const files = await filesOf(cached.folder);
      const sizes = await Promise.all(files.map((file) => sizeOf(join(cached.folder, file))));
      const bytes = sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0);
      found.push({ ...cached, name, bytes, revisions: await revisionsAt(join(root, 'refs'), commit) });
    }
  }
  return found;
}

async function revisionsAt(refs: string, commit: string): Promise<string[]> {
  const names = await readdir(refs, { recursive: true }).catch(() => []);
  const commits = await Promise.all(names.map((name) => readFile(join(refs, name), 'utf8').catch(() => '')));
  return names.filter((_, i) => commits[i].trim() === commit).sort();
}

function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}

/** The names of a folder's files whose blobs exist. */
async function filesOf(folder: string): Promise<string[]> {
  const names = await namesIn(folder);
  const found = await Promise.all(names.map((name) => sizeOf(join(folder, name))));
  return names.filter((_, i) => found[i] !== undefined);
}

/** Bytes of a file; undefined if there is none. */
export async function sizeOf(path: string): Promise<number | undefined> {
  const info = await stat(path).catch(() => undefined);
  return info?.size;
}

/**
 * Shows a blob under a file's name in a snapshot, instead of what is there: by a relative link, a hard link where links need privileges,
 * or a copy on file systems without links.
 */
export async function linkBlob(blob: string, path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await unlink(path).catch(() => undefined);
  const unlessThere = (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  };
  await symlink(relative(dirname(path), blob), path)
    .catch(unlessThere)
    .catch(() => link(blob, path).catch(unlessThere))
    .catch(async () => {
      await copyFile(blob, `${path}.partial`);
      await rename(`${path}.partial`, path);
    });
}

/** Records the commit of a revision. A commit is its own record. */
export async function writeRef({ name, revision }: HubModel, commit: string): Promise<void> {
  if (revision === commit) return;
  const path = join(repositoryFolder(name), 'refs', revision);
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}`;
  await writeFile(temporary, commit);
  await rename(temporary, path);
}

/** Removes a repository with all its revisions. Returns its folder; undefined if there is none. */
export async function removeRepository(name: string): Promise<string | undefined> {
  const folder = repositoryFolder(name);
  if ((await sizeOf(folder)) === undefined) return undefined;
  await rm(folder, { recursive: true, force: true });
  return folder;
}
