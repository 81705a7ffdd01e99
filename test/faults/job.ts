import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { RunEvent } from '../../pipeline/run/events.ts';
import { $ } from '../helpers/shell.ts';

const COMMAND = fileURLToPath(new URL('../../pipeline/splatline.mjs', import.meta.url));
const PIPELINE = fileURLToPath(new URL('./pipeline.yaml', import.meta.url));

export type JobEvent = RunEvent | { event: 'error'; message: string; exitCode: number };

export interface JobOptions {
  out: string;
  store: string;
  /** Further arguments of `splatline run`. */
  args?: readonly string[];
  env?: Readonly<Record<string, string>>;
}

export interface Ending {
  /** Null where a signal ended it. */
  code: number | null;
  stderr: string;
  seconds: number;
}

/** Jobs that run: each has a process group of its own, which the end of this process would not reach. */
const alive = new Set<Job>();
let watching = false;

function endJobsWithUs(): void {
  if (watching) return;
  watching = true;
  process.prependListener('exit', () => alive.forEach((job) => void job.kill()));
  process.once('SIGINT', () => process.exit(130));
  process.once('SIGTERM', () => process.exit(143));
}

/** `splatline run` on the pipeline of this folder, in a process group of its own. */
export class Job {
  readonly events: JobEvent[] = [];
  /** Never rejects. */
  readonly ended: Promise<Ending>;
  readonly #pid: number;
  readonly #listeners = new Set<(event: JobEvent) => void>();

  constructor({ out, store, args = [], env = {} }: JobOptions) {
    endJobsWithUs();
    const begin = performance.now();
    const all = ['run', PIPELINE, '--json', '--out', out, '--store', store, ...args];
    const shell = $({ detached: true, nothrow: true, env: { ...process.env, ...env } });
    // exec: the process that gets our signals is the command itself, no shell that waits for it.
    const running = shell`exec ${process.execPath} ${COMMAND} ${all}`;
    if (running.pid === undefined) throw new Error('the process did not start');
    this.#pid = running.pid;
    alive.add(this);
    const lines = createInterface({ input: running.stdout });
    lines.on('line', (line) => this.#hear(line));
    const heard = new Promise((resolve) => lines.once('close', resolve));
    this.ended = running.then(async ({ exitCode, stderr }) => {
      alive.delete(this);
      await heard;
      return { code: exitCode, stderr, seconds: (performance.now() - begin) / 1000 };
    });
  }

  /** The event that fulfils `wanted`, now or later. Rejects when the job ends without. */
  async reached(wanted: (event: JobEvent) => boolean): Promise<JobEvent> {
    const before = this.events.find(wanted);
    if (before) return before;
    let hear = (_: JobEvent) => {};
    const later = new Promise<JobEvent>((resolve) => {
      hear = (event) => void (wanted(event) && resolve(event));
    });
    this.#listeners.add(hear);
    const found = await Promise.race([later, this.ended]);
    this.#listeners.delete(hear);
    if ('event' in found) return found;
    throw new Error(`the run ended (${found.code}) before it came so far\n${found.stderr}`);
  }

  /** SIGKILL to the command and all that it started; harmless when it has ended. */
  kill(): void {
    this.#send(-this.#pid, 'SIGKILL');
  }

  /** A signal to the command alone. */
  signal(name: NodeJS.Signals): void {
    this.#send(this.#pid, name);
  }

  #send(pid: number, name: NodeJS.Signals): void {
    if (!alive.has(this)) return;
    try {
      process.kill(pid, name);
    } catch (error) {
      // It has just ended.
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
    }
  }

  #hear(line: string): void {
    let event: JobEvent;
    try {
      event = JSON.parse(line) as JobEvent;
    } catch {
      return; // the last line of a killed process may be cut short
    }
    this.events.push(event);
    for (const listener of this.#listeners) listener(event);
  }
}

/** Whether an event reports that so many steps of a stage are submitted. */
export function atStep(stage: string, step: number): (event: JobEvent) => boolean {
  return (event) => event.event === 'progress' && event.stage === stage && event.step >= step;
}

/** Ids of the stages whose work a finished job did. */
export function ranIn(events: readonly JobEvent[]): string[] {
  return events.flatMap((event) => (event.event === 'result' ? event.ran : []));
}

export function warningsIn(events: readonly JobEvent[]): string[] {
  return events.flatMap((event) => (event.event === 'warn' ? [event.text] : []));
}

/** `train at step 15`: where stages went on from a checkpoint. */
export function resumesIn(events: readonly JobEvent[]): { stage: string; step: number }[] {
  return events.flatMap((event) => {
    const step = event.event === 'note' ? /^resumed at step (\d+) of /.exec(event.text)?.[1] : undefined;
    return event.event === 'note' && step !== undefined ? [{ stage: event.stage, step: Number(step) }] : [];
  });
}
