/** Fetches models of the Hugging Face Hub into the cache of `hub-cache.ts`. Not part of a stage: stages read the cache. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HUB_URL, modelInfo, type PathInfo, pathsInfo } from '@huggingface/hub';
import { InputError } from '../../wgsl/core/index.ts';
import {
  cachedSnapshot,
  type HubModel,
  hubCache,
  hubToken,
  linkBlob,
  repositoryFolder,
  sizeOf,
  writeRef,
} from './hub-cache.ts';
import { allFiles, chooseFiles } from './model-files.ts';
import { DEMO_ADVICE } from './resolve.ts';

export interface DownloadOptions {
  /** Ends the download; a later one resumes it. */
  signal?: AbortSignal;
  /** Bytes of the model that are on this machine, and of all its files. */
  onProgress?(bytes: number, total: number): void;
}

/** A file of the Hub: its blob is named after the git sha1 of its contents or, for large files (LFS), their sha256. */
type RemoteFile = Pick<PathInfo, 'path' | 'size' | 'lfs' | 'oid'>;

/** Attempts to continue a transfer without a byte of progress, and milliseconds without a byte that end an attempt. */
const ATTEMPTS = 5;
const IDLE_MS = 60_000;
/** Milliseconds that one download waits in all for a busy hub. */
const MAX_WAIT_MS = 90_000;

/**
 * Fetches the files of a CLIP model that the cache lacks, at the commit that the revision has now; returns that commit.
 * @throws InputError naming the model, the status or the fault, and what to do.
 */
export async function downloadModel(model: HubModel, options: DownloadOptions = {}): Promise<string> {
  const { HF_HUB_OFFLINE = '', HF_ENDPOINT } = process.env;
  if (/^(1|on|yes|true)$/i.test(HF_HUB_OFFLINE)) {
    const fault = (await cachedSnapshot(model))
      ? 'cannot be updated'
      : 'is not in the cache of the Hugging Face Hub';
    throw new InputError(
      `${fault}, ${hubCache()}, and HF_HUB_OFFLINE=${HF_HUB_OFFLINE} allows no download; ${DEMO_ADVICE}`,
      textOf(model),
    );
  }
  const endpoint = (HF_ENDPOINT || HUB_URL).replace(/\/+$/, '');
  const hub = new HubClient(model, endpoint, await hubToken(), options.signal);
  const { commit, files } = await hub.files();
  const repository = repositoryFolder(model.name);
  await mkdir(join(repository, 'blobs'), { recursive: true });
  const total = files.reduce((sum, { size }) => sum + size, 0);
  let done = 0;
  for (const file of files) {
    const blob = join(repository, 'blobs', hashOf(file));
    const path = join(repository, 'snapshots', commit, file.path);
    // Without links, other clients keep the file here and no blob.
    if ((await sizeOf(path)) !== file.size) {
      if ((await sizeOf(blob)) !== file.size) {
        await hub.transfer(file, blob, commit, (bytes) => options.onProgress?.(done + bytes, total));
      }
      await linkBlob(blob, path);
    }
    done += file.size;
  }
  await writeRef(model, commit); // last: a revision with a commit has all files
  return commit;
}

const HASH = /^([0-9a-f]{40}|[0-9a-f]{64})$/;

function hashOf({ lfs, oid }: RemoteFile): string {
  return lfs?.oid ?? oid ?? '';
}

/** A failure of the connection, after which a transfer continues. */
class Broken extends Error {}

/** One model on the Hub. */
class HubClient {
  readonly #model: HubModel;
  readonly #endpoint: string;
  readonly #token?: string;
  readonly #signal?: AbortSignal;
  #waitLeftMs = MAX_WAIT_MS;

  constructor(model: HubModel, endpoint: string, token?: string, signal?: AbortSignal) {
    this.#model = model;
    this.#endpoint = endpoint;
    this.#token = token;
    this.#signal = signal;
  }

  /** The commit of the revision, and the files of a CLIP model there, the smallest first. */
  async files(): Promise<{ commit: string; files: RemoteFile[] }> {
    const { name, revision } = this.#model;
    const place = { hubUrl: this.#endpoint, fetch: this.#fetch };
    try {
      const additionalFields = ['sha', 'filePaths'] as const;
      const info = await modelInfo({ ...place, name, revision, additionalFields: [...additionalFields] });
      const chosen = chooseFiles(info.filePaths.filter((path) => !path.includes('/')));
      if ('fault' in chosen) throw this.#unusable(chosen.fault);
      const paths = allFiles(chosen);
      const files = await pathsInfo({ ...place, repo: name, revision: info.sha, paths });
      const isExpected = /^[0-9a-f]{40}$/.test(info.sha) && files.length === paths.length;
      if (isExpected && files.every((file) => paths.includes(file.path) && HASH.test(hashOf(file)))) {
        return { commit: info.sha, files: files.sort((a, b) => a.size - b.size) };
      }
    } catch (error) {
      this.#signal?.throwIfAborted();
      if (error instanceof Broken) throw this.#error(error.message);
      if (error instanceof InputError) throw error;
      throw this.#error(
        `${this.#endpoint} does not answer as the Hugging Face Hub does (${(error as Error).message})`,
      );
    }
    throw this.#error(`${this.#endpoint} does not answer as the Hugging Face Hub does`);
  }

  /** Fetches a blob; continues from what an earlier attempt, of this process or another, has left. */
  async transfer(
    file: RemoteFile,
    blob: string,
    commit: string,
    onBytes: (bytes: number) => void,
  ): Promise<void> {
    const partial = `${blob}.partial`;
    const url = `${this.#endpoint}/${this.#model.name}/resolve/${commit}/${file.path}`;
    for (let failures = 0; ; ) {
      const start = (await sizeOf(partial)) ?? 0;
      if (start === file.size) break;
      try {
        await this.#append(url, partial, start < file.size ? start : 0, file.size, onBytes);
      } catch (error) {
        this.#signal?.throwIfAborted();
        if (!(error instanceof Broken)) throw error;
        failures = ((await sizeOf(partial)) ?? 0) > start ? 1 : failures + 1;
        if (failures === ATTEMPTS) {
          throw this.#error(`${file.path}: ${error.message}; the next run continues the download`);
        }
        await sleep(200 * failures);
      }
    }
    await this.#verify(file, partial);
    await rename(partial, blob);
  }

  /** Appends the rest of a file from `start` on. @throws Broken when the connection fails. */
  async #append(
    url: string,
    path: string,
    start: number,
    size: number,
    onBytes: (bytes: number) => void,
  ): Promise<void> {
    const idle = new AbortController();
    const timer = setTimeout(() => idle.abort(), IDLE_MS);
    const headers = { 'accept-encoding': 'identity', ...(start ? { range: `bytes=${start}-` } : {}) };
    const file = await open(path, start ? 'a' : 'w');
    let at = start;
    try {
      const response = await this.#fetch(url, { headers, signal: idle.signal });
      const first = /^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '')?.[1];
      if (response.status === 206 && Number(first ?? start) !== start) {
        throw new Broken(`bytes from ${first} came, and those from ${start} were asked for`);
      }
      if (start && response.status !== 206) {
        await file.truncate(0); // the server sends the whole file
        at = 0;
      }
      for await (const chunk of chunksOf(response)) {
        timer.refresh();
        if (at + chunk.length > size) throw new Broken(`more than ${size} bytes came`);
        await file.writeFile(chunk);
        at += chunk.length;
        onBytes(at);
      }
      if (at !== size) throw new Broken(`${at} of ${size} bytes came`);
    } finally {
      clearTimeout(timer);
      await file.close();
    }
  }

  async #verify(file: RemoteFile, path: string): Promise<void> {
    const hash = file.lfs ? createHash('sha256') : createHash('sha1').update(`blob ${file.size}\0`);
    for await (const chunk of createReadStream(path)) hash.update(chunk);
    const found = hash.digest('hex');
    if (found === hashOf(file)) return;
    await rm(path);
    const kind = file.lfs ? 'sha256' : 'git sha1';
    throw this.#error(
      `${file.path} has the ${kind} ${found}, expected ${hashOf(file)}; the damaged download is removed: run again`,
    );
  }

  /** `fetch` with the token; waits for a busy hub. @throws InputError by status, Broken when the connection fails. */
  readonly #fetch = async (input: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    const headers = new Headers(init.headers);
    if (this.#token) headers.set('authorization', `Bearer ${this.#token}`);
    const signals = [init.signal, this.#signal].filter((signal) => signal !== undefined && signal !== null);
    for (let attempt = 1; ; attempt++) {
      const response = await fetch(input, { ...init, headers, signal: AbortSignal.any(signals) }).catch(
        (error) => {
          this.#signal?.throwIfAborted();
          const cause = error.cause?.code ?? error.cause?.message ?? error.message;
          throw new Broken(`no connection to ${this.#endpoint} (${cause})`);
        },
      );
      if (response.ok) return response;
      await response.body?.cancel();
      const { status } = response;
      const isTemporary = status === 429 || (status >= 500 && attempt < 3);
      const wait = retryAfter(response) ?? 500 * 2 ** attempt;
      if (!isTemporary || wait > this.#waitLeftMs) throw this.#refusal(response, status === 429 ? wait : 0);
      this.#waitLeftMs -= wait;
      await sleep(wait, undefined, { signal: this.#signal });
    }
  };

  #refusal({ status, statusText, url, headers }: Response, wait: number): InputError {
    const { name, revision } = this.#model;
    const file = url.split(/\/resolve\/[^/]+\//)[1];
    const answer = `${file ? `${file}: ` : ''}${this.#endpoint} answers ${status}${statusText ? ` ${statusText}` : ''}`;
    const isGated = headers.get('x-error-code') === 'GatedRepo';
    if (status === 403 || isGated) {
      return this.#error(
        `${answer}: accept the terms at ${this.#endpoint}/${name} and set HF_TOKEN to a token that may read it`,
      );
    }
    if (status === 401) {
      return this.#error(
        `${answer}: no such public model${this.#token ? ', or your token is not valid' : ''}; check the spelling, or set HF_TOKEN if it is private`,
      );
    }
    if (status === 404) {
      return this.#error(
        `${answer}: neither a folder here nor a model there with the revision ${revision}; check the spelling`,
      );
    }
    if (wait) return this.#error(`${answer} and asks to wait ${Math.ceil(wait / 1000)} s; run again later`);
    return this.#error(answer);
  }

  #unusable(fault: string): InputError {
    const { name } = this.#model;
    const folder = `models/${name.split('/')[1]}`;
    const isConvertible = /Convert/.test(fault);
    const next = `. \`hf download ${name} --local-dir ${folder}\` makes that folder, and \`model: ${folder}\` names it`;
    return this.#error(`${fault}${isConvertible ? next : ''}`);
  }

  #error(message: string): InputError {
    return new InputError(`${message}; ${DEMO_ADVICE}`, textOf(this.#model));
  }
}

/** As in the option. */
function textOf({ name, revision }: HubModel): string {
  return revision === 'main' ? name : `${name}@${revision}`;
}

async function* chunksOf({ body }: Response): AsyncGenerator<Uint8Array> {
  try {
    if (body) yield* body as unknown as AsyncIterable<Uint8Array>; // the types of browsers lack the iterator
  } catch (error) {
    throw new Broken(`the connection broke (${(error as Error).message})`);
  }
}

/** Milliseconds of the header, a number of seconds or a date. */
function retryAfter({ headers }: Response): number | undefined {
  const text = headers.get('retry-after');
  if (text === null) return undefined;
  const seconds = Number(text);
  const wait = Number.isFinite(seconds) ? 1000 * seconds : Date.parse(text) - Date.now();
  return Number.isNaN(wait) ? undefined : Math.max(0, wait);
}
