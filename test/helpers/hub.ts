import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import { scratchFolder } from './scratch.ts';

const TINY = fileURLToPath(new URL('../data/clip-tiny/', import.meta.url));

/** The files of the tiny model of the tests, as a repository has them. */
export function tinyModel(): Record<string, Buffer> {
  const names = readdirSync(TINY).filter((name) => name !== 'expected.json');
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(TINY, name))]));
}

/** The hash that names a file's blob: sha256 for weights (LFS), git's sha1 for others. */
export function blobName(path: string, bytes: Buffer): string {
  if (path.endsWith('.safetensors')) return createHash('sha256').update(bytes).digest('hex');
  return createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
}

/** A commit, named by a digit: `commitOf(1)` is forty of them. */
export const commitOf = (digit: number) => String(digit).repeat(40);

/** A fault that the hub answers with instead; undefined answers as usual. */
type Fault = (url: string, request: IncomingMessage, response: ServerResponse) => true | undefined;

/** A hub on loopback with the repository `test/tiny`, whose `main` is at a commit. */
export class TestHub {
  /** `main`'s commit and its files; a test may change both. */
  commit = commitOf(1);
  files = tinyModel();
  fault?: Fault;
  /** Method, path and range of every request. */
  requests: string[] = [];
  readonly #server = createServer((request, response) => this.#answer(request, response));

  async start(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  /** The paths whose contents were asked for, with the first byte if it was not the whole file. */
  get transfers(): string[] {
    return this.requests.flatMap((line) => /resolve\/\w+\/(.*)$/.exec(line)?.[1] ?? []);
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { method, url = '', headers } = request;
    const range = /^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1];
    this.requests.push(`${method} ${url.split('?')[0]}${range ? ` from ${range}` : ''}`);
    if (this.fault?.(url, request, response)) return;
    const [, api, file] = /^\/(api\/models\/)?test\/tiny\/(.*)$/.exec(url.split('?')[0]) ?? [];
    if (file === undefined) return void response.writeHead(404, { 'x-error-code': 'RepoNotFound' }).end();
    const known = ['main', this.commit];
    const [what, revision, ...path] = file.split('/').map(decodeURIComponent);
    if (!known.includes(revision))
      return void response.writeHead(404, { 'x-error-code': 'RevisionNotFound' }).end();
    if (!api) return void this.#send(response, path.join('/'), Number(range ?? 0));
    const siblings = Object.keys(this.files).map((rfilename) => ({ rfilename }));
    if (what === 'revision')
      return void json(response, { _id: '1', id: 'test/tiny', sha: this.commit, siblings });
    request.setEncoding('utf8');
    let body = '';
    request.on('data', (text) => (body += text));
    request.on('end', () =>
      json(
        response,
        (JSON.parse(body).paths as string[]).map((name) => this.#info(name)),
      ),
    );
  }

  #info(path: string) {
    const bytes = this.files[path];
    const [name, size] = [blobName(path, bytes), bytes.length];
    const isLarge = path.endsWith('.safetensors');
    return {
      type: 'file',
      path,
      size,
      oid: isLarge ? commitOf(9) : name,
      ...(isLarge && { lfs: { oid: name, size, pointerSize: 130 } }),
    };
  }

  #send(response: ServerResponse, path: string, start: number): void {
    const bytes = this.files[path];
    const rest = bytes.subarray(start);
    const range = start ? { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` } : {};
    response.writeHead(start ? 206 : 200, { 'content-length': rest.length, ...range }).end(rest);
  }
}

function json(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

/** Registers a test with a new hub and an empty cache. */
export function hubTest(name: string, body: (hub: TestHub) => Promise<void>): void {
  test(name, async () => {
    for (const name of Object.keys(process.env))
      if (/^(HF|HUGGINGFACE)_/.test(name)) delete process.env[name];
    const hub = new TestHub();
    process.env.HF_HOME = scratchFolder();
    process.env.HF_ENDPOINT = await hub.start();
    try {
      await body(hub);
    } finally {
      hub.stop();
    }
  });
}

/** Answers every request with a status. */
export const answering =
  (status: number, headers: Record<string, string> = {}): TestHub['fault'] =>
  (_, __, response) => {
    response.writeHead(status, headers).end();
    return true;
  };
