import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { $ } from '../process.ts';
import type { CellRunEvent } from './events.ts';

/** This package's own command line, started by the Node that runs us. */
export const SPLATLINE: readonly string[] = [
  process.execPath,
  fileURLToPath(new URL('../splatline.mjs', import.meta.url)),
];

export interface CellProcess {
  /** Signals the process, and nobody else. Nothing happens when it has ended. */
  kill(signal: NodeJS.Signals): void;
  /** Never rejects for what the process does. */
  ended: Promise<CellEnd>;
}

export interface CellEnd {
  /** null where a signal ended it. */
  exitCode: number | null;
  signal: NodeJS.Signals | null;
  /** The last lines that it wrote beside its events. */
  words: string;
}

interface StartOptions {
  /** The program and its arguments; it prints one JSON event a line. */
  command: readonly string[];
  cwd: string;
  env: Readonly<Record<string, string>>;
  onEvent(event: CellRunEvent): void;
}

/** How much is kept of what a process says beside its events. */
const WORDS_KEPT = 4000;

/**
 * Starts the process of a cell. It is the leader of a session of its own, so that Ctrl-C on the terminal reaches it once,
 * through us: a second signal would end it before it has saved. It ends by itself soon after we are gone, as nobody reads
 * what it writes.
 */
export function startCell({ command, cwd, env, onEvent }: StartOptions): CellProcess {
  // `exec`: the shell that zx starts becomes the program, so that signals reach it.
  const started = $({
    cwd,
    env: { ...process.env, ...env },
    nothrow: true,
    detached: process.platform !== 'win32',
    prefix: process.platform === 'win32' ? '' : 'exec ',
  })`${command}`;
  let words = '';
  const keep = (text: string) => {
    words = (words + text).slice(-WORDS_KEPT);
  };
  const lines = createInterface({ input: started.stdout, crlfDelay: Number.POSITIVE_INFINITY });
  lines.on('line', (line) => {
    const event = eventOf(line);
    if (event) onEvent(event);
    else keep(`${line}\n`);
  });
  const read = new Promise<void>((resolve) => lines.once('close', resolve));
  started.stderr.on('data', (chunk: Buffer) => keep(chunk.toString()));
  let running = true;
  const end = async (): Promise<CellEnd> => {
    const { exitCode, signal } = await started;
    running = false;
    await read;
    return { exitCode, signal, words: words.trim() };
  };
  return {
    kill(signal) {
      if (running && started.pid !== undefined) signalProcess(started.pid, signal);
    },
    ended: end(),
  };
}

function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // It ended on its own a moment ago.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function eventOf(line: string): CellRunEvent | undefined {
  try {
    const value: unknown = JSON.parse(line);
    const isEvent = typeof value === 'object' && value !== null && 'event' in value;
    return isEvent && typeof value.event === 'string' ? (value as CellRunEvent) : undefined;
  } catch {
    return undefined;
  }
}
