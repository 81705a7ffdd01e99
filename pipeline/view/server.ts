import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, isIP } from 'node:net';
import { InputError } from '../../wgsl/core/index.ts';
import { codeOf } from '../store/disk.ts';

/** A request that passed the checks of the server. */
export interface ViewRequest {
  /** The decoded names of the path. None is empty, `.` or `..`, and none has a separator. */
  names: string[];
  /** Whether the path ends with a slash: that of a folder. */
  isFolder: boolean;
  request: IncomingMessage;
  response: ServerResponse;
}

/** What a server shows. */
export interface Site {
  /** The address of its first page, relative to that of the server. */
  start: string;
  answer(request: ViewRequest): Promise<void>;
  close(): void;
}

export interface ServerOptions {
  /** The interface to listen on: the loopback by default. */
  host?: string;
  /** 0 takes any free one. */
  port: number;
}

export interface ViewServer {
  address: string;
  close(): Promise<void>;
}

const LOOPBACK = ['127.0.0.1', 'localhost', '::1'];

/** A request that is refused, with a sentence for its sender. */
export class Refusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Serves a site until it is closed. @throws InputError if the port or the interface cannot be used. */
export async function serve(site: Site, { host = LOOPBACK[0], port }: ServerOptions): Promise<ViewServer> {
  const server = createServer((request, response) => {
    answer(site, host, request, response).catch((error: unknown) => refuse(response, error));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(explained(error, host, port)));
    server.listen(port, host, resolve);
  });
  const taken = (server.address() as AddressInfo).port;
  return {
    address: `http://${isIP(host) === 6 ? `[${host}]` : host}:${taken}/`,
    async close() {
      site.close();
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(
  site: Site,
  host: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  response.setHeader('X-Content-Type-Options', 'nosniff');
  response.setHeader('Referrer-Policy', 'no-referrer');
  // No page of another origin embeds or reads an answer.
  response.setHeader('Cross-Origin-Resource-Policy', 'same-origin');
  response.setHeader('X-Frame-Options', 'SAMEORIGIN');
  if (!isNamed(request.headers.host, host)) {
    throw new Refusal(403, `this server does not answer for the host ${request.headers.host}`);
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    throw new Refusal(405, `${request.method} is not allowed here`);
  }
  const [path] = (request.url ?? '').split(/[?#]/);
  const { names, isFolder } = namesOf(path);
  if (path === '/favicon.ico') return void response.writeHead(204).end(); // every browser requests it
  await site.answer({ names, isFolder, request, response });
}

/**
 * Whether a request names this server. A page of another site whose name resolves to this machine (DNS rebinding) names that
 * site. An IP address cannot be rebound, so it is allowed where the server listens on another interface than the loopback.
 */
function isNamed(header: string | undefined, host: string): boolean {
  const name = /^(?:\[([^\]]+)\]|([^:]+))(?::\d+)?$/
    .exec(header ?? '')
    ?.slice(1)
    .find(Boolean)
    ?.toLowerCase();
  if (name === undefined) return false;
  if (LOOPBACK.includes(name) || name === host.toLowerCase()) return true;
  return !LOOPBACK.includes(host) && isIP(name) !== 0;
}

function namesOf(path: string): { names: string[]; isFolder: boolean } {
  if (!path.startsWith('/')) throw new Refusal(400, 'expected a path');
  const parts = path.slice(1).split('/');
  const isFolder = parts.at(-1) === '';
  if (isFolder) parts.pop();
  const names = parts.map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      throw new Refusal(400, 'the path is not encoded correctly');
    }
  });
  for (const name of names) {
    if (name === '' || name.includes('\0')) throw new Refusal(400, 'the path has an empty or a broken name');
    if (/^\.\.?$|[/\\]/.test(name)) throw new Refusal(403, 'the path leaves the folder that is shown');
  }
  return { names, isFolder };
}

/** Sends a page that is made for this request. */
export function sendPage({ request, response }: ViewRequest, page: string | Uint8Array): void {
  const length = Buffer.byteLength(page);
  const headers = { 'Content-Type': 'text/html; charset=utf-8', 'Content-Length': length };
  response.writeHead(200, { ...headers, 'Cache-Control': 'no-store' });
  response.end(request.method === 'HEAD' ? undefined : page);
}

function refuse(response: ServerResponse, error: unknown): void {
  if (response.headersSent) return void response.destroy();
  const status = error instanceof Refusal ? error.status : 500;
  const message = error instanceof Error ? error.message : String(error);
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8' });
  response.end(`${message}\n`);
}

function explained(error: Error, host: string, port: number): Error {
  const code = codeOf(error);
  const any = 'choose another one, or 0 for any that is free';
  switch (code) {
    case 'EADDRINUSE':
      return new InputError(`is in use on ${host}; ${any}`, `--port ${port}`);
    case 'EACCES':
      return new InputError(`is reserved for the system; ${any}`, `--port ${port}`);
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new InputError(`is no interface of this machine (${code})`, `--host ${host}`);
    default:
      return error;
  }
}
