import { existsSync } from 'node:fs';
import { access, constants, lstat, realpath } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { basename, dirname, join, sep } from 'node:path';
import send from 'send';
import { InputError } from '../../wgsl/core/index.ts';
import { MATRIX_FILE } from '../matrix/record.ts';
import { kindOf, runsIn } from '../report/run-list.ts';
import { reportPage, runReportPage } from '../report/write.ts';
import { EVENTS_FILE, isRunning, PREVIEW_FILE } from '../run/live-log.ts';
import { LIVE, MANIFEST, REPORT } from '../run/run-folder.ts';
import { codeOf, ignore } from '../store/disk.ts';
import { Feed, startEvents } from './feed.ts';
import { LiveMatrix, shownMatrix } from './live-matrix.ts';
import { LiveRun, PREVIEW } from './live-run.ts';
import { Refusal, type Site, sendPage, type ViewRequest } from './server.ts';

/** Where the page of a running run or matrix finds its changes, relative to the page. Files with such names are refused. */
const EVENTS = '.events';

/**
 * A run or a matrix, by its folder or its .json file, or a folder of runs: its page, the pages of the runs in it, and the files of runs
 * and matrices. A path outside of them is refused, also through a symbolic link, and so are hidden files.
 * @throws InputError where there is no run.
 */
export async function runSite(path: string): Promise<Site> {
  const isRecord = [MANIFEST, MATRIX_FILE].includes(basename(path));
  const root = await realpath(isRecord ? dirname(path) : path).catch((error: unknown) => {
    throw new InputError(`cannot be read (${codeOf(error) ?? error})`, path);
  });
  const runs = kindOf(root) === 'other' ? await runsIn(root) : [];
  if (kindOf(root) === 'other' && !runs.length) {
    throw new InputError('expected a run, a folder with runs in it, or a splat file', path);
  }
  const feeds = new Map<string, Feed>();
  const feedOf = (folder: string, kind: 'run' | 'matrix') => {
    const followed = () => (kind === 'run' ? new LiveRun(folder) : new LiveMatrix(folder));
    const onEnd = (feed: Feed) => void (feeds.get(folder) === feed && feeds.delete(folder));
    const feed = feeds.get(folder) ?? new Feed(followed(), onEnd);
    feeds.set(folder, feed);
    return feed;
  };
  return {
    start: runs[0]?.href ?? '',
    async answer(asked) {
      const { names, isFolder, request, response } = asked;
      const { folder, rest } = await placeOf(root, names);
      const isPage = !rest.length || (rest.length === 1 && rest[0] === REPORT);
      if (isPage) {
        if (!rest.length && names.length && !isFolder) return redirect(response, names.at(-1)!);
        return sendPage(asked, await pageOf(folder));
      }
      const kind = kindOf(folder);
      if (kind !== 'other' && rest.length === 1 && rest[0] === EVENTS) {
        if (request.method !== 'HEAD') return feedOf(folder, kind).join(response);
        startEvents(response);
        return void response.end();
      }
      if (kind === 'run' && rest.length === 1 && rest[0] === PREVIEW) {
        return sendFile(asked, join(folder, LIVE), [PREVIEW_FILE]);
      }
      if (kind === 'other') throw new Refusal(404, `there is no run ${rest[0]} here`);
      await sendFile(asked, folder, rest);
    },
    close() {
      for (const feed of feeds.values()) feed.close();
    },
  };
}

/** The run or the folder of runs of a path, and the names below it. */
async function placeOf(root: string, names: readonly string[]): Promise<{ folder: string; rest: string[] }> {
  let folder = root;
  for (const [i, name] of names.entries()) {
    const next = join(folder, name);
    const isBelow = kindOf(folder) !== 'run' && !name.startsWith('.');
    const found = isBelow ? await lstat(next).catch(ignore('ENOENT', 'ENOTDIR')) : undefined;
    if (!found?.isDirectory()) return { folder, rest: names.slice(i) };
    folder = next;
  }
  return { folder, rest: [] };
}

async function pageOf(folder: string): Promise<string> {
  switch (kindOf(folder)) {
    case 'run':
      return runPageOf(folder);
    case 'matrix':
      return matrixPageOf(folder);
    case 'other': {
      const runs = await runsIn(folder);
      if (!runs.length) throw new Refusal(404, 'there are no runs here');
      const made = new Date().toISOString();
      return reportPage({ kind: 'list', name: basename(folder), made, status: 'done', runs });
    }
  }
}

async function runPageOf(folder: string): Promise<string> {
  if (isRunning(folder) && existsSync(join(folder, LIVE, EVENTS_FILE))) {
    return reportPage(new LiveRun(folder).report);
  }
  if (existsSync(join(folder, MANIFEST))) return runReportPage(folder);
  throw new Refusal(404, 'the run ended before its first result');
}

async function matrixPageOf(folder: string): Promise<string> {
  const report = await shownMatrix(folder);
  if (!report) throw new Refusal(404, 'there is no matrix here');
  return reportPage(report);
}

function redirect(response: ServerResponse, name: string): void {
  response.writeHead(301, { Location: `${encodeURIComponent(name)}/` }).end();
}

/** Sends a file below a run's folder. */
async function sendFile({ request, response }: ViewRequest, folder: string, names: string[]): Promise<void> {
  if (names.some((name) => name.startsWith('.'))) throw new Refusal(403, 'hidden files are not shown');
  const path = names.join('/');
  const missing = new Refusal(404, `there is no file ${path} here`);
  const file = await realpath(join(folder, ...names)).catch(() => {
    throw missing;
  });
  if (!file.startsWith(folder + sep)) throw new Refusal(403, `${path} leaves the folder of the run`);
  await access(file, constants.R_OK).catch(() => {
    throw new Refusal(403, `${path} cannot be read`);
  });
  const reasonOf = ({ status, message }: Refusal) =>
    status === 404 ? missing : new Refusal(status, `${path}: ${message}`);
  await new Promise<void>((resolve, reject) => {
    send(request, names.map(encodeURIComponent).join('/'), { root: folder, dotfiles: 'deny', index: false })
      .on('error', (error: Refusal) => reject(reasonOf(error)))
      .on('directory', () => reject(missing))
      .on('end', resolve)
      .pipe(response);
  });
}
