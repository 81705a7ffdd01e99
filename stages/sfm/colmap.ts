import { existsSync, readFileSync } from 'node:fs';
import type { Shell } from 'zx/core';
import { InputError } from '../../wgsl/core/index.ts';

/** The installed COLMAP. */
export interface Colmap {
  /** As it names itself: `COLMAP 3.8 (Commit Unknown on Unknown without CUDA)`. Part of the key of a reconstruction. */
  title: string;
  /** Whether this build supports CUDA. COLMAP then runs on the GPU by default. */
  cuda: boolean;
}

/** A command of COLMAP, its options and where its output goes. */
export interface ColmapCommand {
  /** `feature_extractor` */
  name: string;
  /**
   * Option to value. Several names of one option are separated by `|`: versions name it differently. One that this version does
   * not have is left out.
   */
  options: Record<string, string | number>;
  /** Called with each line, of both streams. */
  onLine(line: string): void;
  signal?: AbortSignal;
}

/** How COLMAP ended, if not well: in words. */
export type ColmapEnd = string | undefined;

const PROGRAM = 'colmap';
/** Names a Linux distribution. */
const RELEASE = '/etc/os-release';
/** A shell's exit code where the program is missing. */
const NOT_FOUND = 127;

/** @throws InputError when COLMAP is missing or does not start; with the command that installs it. */
export async function findColmap(): Promise<Colmap> {
  const { text, code } = await output(['help']);
  const [, version] = /^(COLMAP \S+)/m.exec(text) ?? [];
  if (code === NOT_FOUND) {
    throw new InputError(
      `is not installed; it finds the cameras of photographs and videos: ${installLine()}`,
      PROGRAM,
    );
  }
  if (!version) {
    const [line = `exit code ${code}`] = text.split('\n').filter((one) => one.trim());
    throw new InputError(`does not start: ${line.trim()}`, PROGRAM);
  }
  const [build = ''] = /\(Commit[^)]*\)/.exec(text) ?? [];
  return { title: `${version} ${build}`.trim(), cuda: /with CUDA/.test(build) };
}

/** The command that installs COLMAP on this system. */
export function installLine(): string {
  if (process.platform === 'darwin') return 'brew install colmap';
  if (process.platform === 'win32')
    return 'put the folder of colmap.bat from github.com/colmap/colmap/releases in PATH';
  const release = existsSync(RELEASE) ? readFileSync(RELEASE, 'utf8') : '';
  if (/^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(release)) return 'sudo apt-get install colmap';
  if (/^ID(_LIKE)?=.*\bfedora\b/m.test(release)) return 'sudo dnf install colmap';
  return 'conda install -c conda-forge colmap';
}

/** Runs a command of COLMAP to its end. A stopped run ends it, and so does the end of this process. */
export async function runColmap({ name, options, onLine, signal }: ColmapCommand): Promise<ColmapEnd> {
  const { text: help } = await output([name, '-h']);
  const known = new Set([...help.matchAll(/^\s*--([\w.]+)/gm)].map(([, option]) => option));
  const given = Object.entries(options).flatMap(([names, value]) => {
    const option = names.split('|').find((one) => known.has(one));
    return option ? [`--${option}`, String(value)] : [];
  });
  onLine(`$ ${PROGRAM} ${name} ${given.join(' ')}`);
  const $ = await shell(signal);
  const running = $`exec ${PROGRAM} ${[name, ...given]}`;
  const kill = () => void running.child?.kill('SIGKILL');
  process.once('exit', kill);
  try {
    for (const stream of [running.stdout, running.stderr]) onLines(stream, onLine);
    const { exitCode, signal: killed } = await running;
    signal?.throwIfAborted();
    return killed ? `was killed (${killed})` : exitCode ? `ended with exit code ${exitCode}` : undefined;
  } finally {
    process.off('exit', kill);
  }
}

function onLines(stream: NodeJS.ReadableStream, onLine: (line: string) => void): void {
  let rest = '';
  stream.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop()!;
    lines.forEach(onLine);
  });
  stream.on('end', () => rest && onLine(rest));
}

async function output(args: readonly string[]): Promise<{ text: string; code: number | null }> {
  const $ = await shell();
  const { stdout, stderr, exitCode } = await $`exec ${PROGRAM} ${args}`;
  return { text: stdout + stderr, code: exitCode };
}

/** Starts programs without input; a failure is a result. `exec` makes the program itself the process that a signal ends. */
async function shell(signal?: AbortSignal): Promise<Shell> {
  const { $ } = await import('zx/core');
  return $({ quiet: true, nothrow: true, detached: false, stdio: ['ignore', 'pipe', 'pipe'], signal });
}
