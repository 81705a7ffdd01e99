/** A server of `splatline view` in a test, and requests to it. */
import { type IncomingHttpHeaders, request } from 'node:http';
import { runSite } from '../../pipeline/view/run-site.ts';
import { type ServerOptions, serve } from '../../pipeline/view/server.ts';

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

/** Sends a path as it is: fetch would resolve its dots. */
export function get(address: string, path: string, options: object = {}): Promise<Answer> {
  const { port, hostname } = new URL(address);
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, path, ...options }, async (response) => {
      const pieces: Buffer[] = [];
      for await (const piece of response) pieces.push(piece);
      const body = Buffer.concat(pieces).toString();
      resolve({ status: response.statusCode!, headers: response.headers, body });
    });
    sent.once('error', reject).end();
  });
}

/** Serves a folder on a free port while `body` runs. */
export async function serving(
  folder: string,
  body: (address: string) => Promise<void>,
  options: Partial<ServerOptions> = {},
): Promise<void> {
  const server = await serve(await runSite(folder), { port: 0, ...options });
  try {
    await body(server.address);
  } finally {
    await server.close();
  }
}
