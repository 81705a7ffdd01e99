import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Report } from '../../pipeline/golden/report.ts';
import { $ } from '../helpers/shell.ts';
import type { Fault } from './faults.ts';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** A small pipeline of about five seconds on two cores, with SH degree 1 and some splats smaller than a pixel. */
export const TINY = `name: tiny
seed: 7
stages:
  - load:  { colmap: ${JSON.stringify(join(ROOT, 'scenes/playbot'))}, downscale: 8, holdout: 8 }
  - init:  { from: points, shDegree: 1 }
  - train:
      steps: 20
      cap: 5000
      start: keep
      background: white
      rates: { means: 6.4e-4, scales: 2e-2, quats: 1e-2, opacity: 0.1, sh: 2e-2 }
  - orbit: { frames: 6, fps: 6, size: [96, 96], background: white, files: [png] }
  - score: { metrics: [psnr, ssim, consistency], background: white }
`;

/** What the sources need to build and run: copied, and linked. A copy builds its own modules, but not the vendored package. */
const SOURCES = ['pipeline', 'stages', 'wgsl', 'package.json', 'dist'];
const SHARED = ['node_modules', 'prompts'];

/** Copies the sources with one fault into a folder, and returns the folder. */
export async function faultyCopy(folder: string, { file, from, to }: Fault): Promise<string> {
  await mkdir(folder, { recursive: true });
  for (const name of SOURCES) await cp(join(ROOT, name), join(folder, name), { recursive: true });
  for (const name of SHARED) await symlink(join(ROOT, name), join(folder, name));
  const path = join(folder, file);
  const parts = (await readFile(path, 'utf8')).split(from);
  if (parts.length !== 2)
    throw new Error(`${file} has ${parts.length - 1} places like ${from}; expected one`);
  await writeFile(path, parts.join(to));
  return folder;
}

export interface Outcome {
  exitCode: number | null;
  stdout: string;
  stderr: string;
}

/** Runs `splatline golden …` of the sources in `root`. */
export async function golden(root: string, args: readonly string[], cwd: string): Promise<Outcome> {
  const { exitCode, stdout, stderr } = await $({
    cwd,
    nothrow: true,
  })`${process.execPath} ${join(root, 'pipeline/splatline.mjs')} golden ${args}`;
  return { exitCode, stdout, stderr };
}

export function reportOf({ stdout, stderr }: Outcome): Report & { passed: boolean } {
  if (!stdout.startsWith('{')) throw new Error(`no report: ${stdout}${stderr}`);
  return JSON.parse(stdout) as Report & { passed: boolean };
}

/** Runs the jobs, two at a time, and returns their results in order. */
export async function twoAtATime<T>(jobs: readonly (() => Promise<T>)[]): Promise<T[]> {
  const results: T[] = [];
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < jobs.length; index = next++) results[index] = await jobs[index]();
  };
  await Promise.all([worker(), worker()]);
  return results;
}
