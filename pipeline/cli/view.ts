import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { Command } from 'commander';
import { isSplatFile } from '../../stages/artefacts/splat-file-check.ts';
import type { Site } from '../view/server.ts';
import { whole } from './flags.ts';
import { interruptible } from './interruption.ts';

interface ViewFlags {
  port: number;
  host: string;
  open?: boolean;
}

/** `splatline view [RUN|SPLAT]`. */
export function viewCommand(): Command {
  return new Command('view')
    .description('Show a run, also a running one, or a splat in the browser.')
    .argument(
      '[path]',
      "a run's folder or its run.json, a matrix's or its matrix.json, a folder of runs, or a splat file",
      'out',
    )
    .option('--port <n>', 'the port; 0 takes any that is free', whole(0, 65_535), 4600)
    .option(
      '--host <address>',
      'the interface to listen on; others than the loopback are open to the network',
      '127.0.0.1',
    )
    .option('--open', 'open the page in the browser')
    .action((path: string, flags: ViewFlags) => interruptible((signal) => view(path, flags, signal), ''));
}

/** Serves until the signal aborts. */
async function view(path: string, { port, host, open }: ViewFlags, signal: AbortSignal): Promise<void> {
  const { serve } = await import('../view/server.ts');
  const site = await siteOf(resolve(path));
  const server = await serve(site, { host, port });
  const address = `${server.address}${site.start}`;
  const others = site.start ? `All runs: ${server.address}\n` : '';
  process.stdout.write(`${address}\n${others}Ctrl-C ends the server.\n`);
  if (open) openBrowser(address);
  if (!signal.aborted) await new Promise((end) => signal.addEventListener('abort', end, { once: true }));
  await server.close();
}

async function siteOf(path: string): Promise<Site> {
  if (isSplatFile(path)) {
    const { splatSite } = await import('../view/splat-site.ts');
    return splatSite(path);
  }
  const { runSite } = await import('../view/run-site.ts');
  return runSite(path);
}

const OPENERS: Partial<Record<NodeJS.Platform, [command: string, ...args: string[]]>> = {
  darwin: ['open'],
  win32: ['cmd', '/c', 'start', ''],
};

/** Opens an address by the system's own command. The server continues where that fails. */
function openBrowser(address: string): void {
  const [command, ...args] = OPENERS[process.platform] ?? ['xdg-open'];
  const warn = (reason: string) => process.stderr.write(`--open: no browser was opened: ${reason}\n`);
  spawn(command, [...args, address], { stdio: 'ignore', detached: true })
    .once('error', ({ message }) => warn(message))
    .once('exit', (code) => code && warn(`${command} ended with exit code ${code}`))
    .unref();
}
