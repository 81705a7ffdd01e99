import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { codeOf } from './disk-errors.ts';

/** A process, named so that another can tell whether it still runs. No wall clock is part of it. */
export interface Owner {
  pid: number;
  /** Ticks from boot to its start, where the system tells (Linux): a reused pid has another. */
  start: string;
  host: string;
  /** Changes with every boot; empty where the system does not tell. */
  boot: string;
  /** The namespace that its pid belongs to (containers have their own); empty where there are none. */
  pidSpace: string;
}

/** `elsewhere`: on another host, boot or pid namespace, so that its pid says nothing here. */
export type Life = 'alive' | 'dead' | 'elsewhere';

let self: Owner | undefined;

export function thisProcess(): Owner {
  self ??= {
    pid: process.pid,
    start: statOf(process.pid)?.start ?? '',
    host: hostname(),
    boot: quiet(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()) ?? '',
    pidSpace: quiet(() => readlinkSync('/proc/self/ns/pid')) ?? '',
  };
  return self;
}

/** Whether a process still runs, as far as this one can tell. */
export function lifeOf(owner: Owner): Life {
  const here = thisProcess();
  const near = owner.host === here.host && owner.boot === here.boot && owner.pidSpace === here.pidSpace;
  if (!near) return 'elsewhere';
  return isRunning(owner.pid, owner.start) ? 'alive' : 'dead';
}

/** Whether a process of this host runs under the pid and, where that is known, started when it says. */
export function isRunning(pid: number, start: string): boolean {
  try {
    process.kill(pid, 0); // signal 0 only asks
  } catch (error) {
    // EPERM: somebody else's, so it is there.
    if (codeOf(error) !== 'EPERM') return false;
  }
  // Unreadable where there is no /proc, or where it hides other people's processes: the pid alone decides.
  const stat = statOf(pid);
  if (!stat) return true;
  // A zombie has a pid until its parent asks for it, which some containers' first process never does.
  if (stat.state === 'Z' || stat.state === 'X') return false;
  return !start || stat.start === start;
}

/** Fields 3 and 22 of /proc/<pid>/stat; the name in field 2 may hold blanks and brackets, so count from its end. */
function statOf(pid: number): { state: string; start: string } | undefined {
  return quiet(() => {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0], start: fields[19] };
  });
}

function quiet<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
