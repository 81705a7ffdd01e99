import { createHash, randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf, ignore } from './disk.ts';

/**
 * Locks between processes: one lease file per key, created exclusively, which names its owner. The owner refreshes the
 * file's modification time. A process of this host that is dead loses its lock at once. An owner that cannot be looked
 * up loses it when the file has not changed for a minute of the waiting process's monotonic clock. File times are only
 * compared for equality, so wall clocks do not matter. Calls are synchronous, so nothing runs between a check and what
 * follows. The worst outcome of a race, or of an owner that was suspended, is work done twice.
 */

/** Milliseconds; tests set others. */
export interface LockTimes {
  /** Between two attempts of a waiting process. */
  poll: number;
  /** Between two refreshes by the owner. */
  refresh: number;
  /** The lease of an owner that cannot be looked up ends if it is not refreshed for so long. */
  expiry: number;
}

const TIMES: LockTimes = { poll: 150, refresh: 4000, expiry: 60_000 };

export interface LockOptions {
  /** Called once if there is a holder to wait for, with its description: `process 17`, `process 17 on host`. */
  onWait?: (holder: string) => void;
  /** Ends the waiting; `lock` rejects with its reason. */
  signal?: AbortSignal;
}

/** A lease file as read. */
interface Lease {
  owner: string;
  host: string;
  /** Changes with every owner and every refresh. */
  version: string;
}

/** A lock that this process holds. It is released when the process ends, unless the process is killed. */
export class Lock {
  readonly #path: string;
  readonly #owner: string;
  readonly #timer: NodeJS.Timeout;
  readonly #cancelExit: () => void;

  /** `path` is a lease file that names `owner`. */
  constructor(path: string, owner: string, refresh: number) {
    this.#path = path;
    this.#owner = owner;
    this.#timer = setInterval(() => {
      quiet(() => this.#isHeld() && fs.utimesSync(path, new Date(), new Date()));
    }, refresh).unref();
    this.#cancelExit = atExit(() => this.#isHeld() && fs.unlinkSync(path));
  }

  /** Does nothing if the lock is released already or another process has taken it over. */
  async release(): Promise<void> {
    clearInterval(this.#timer);
    this.#cancelExit();
    quiet(() => this.#isHeld() && fs.unlinkSync(this.#path));
  }

  #isHeld(): boolean {
    return readLease(this.#path)?.owner === this.#owner;
  }
}

/** The locks in one directory, which must exist. */
export class Locks {
  readonly #directory: string;
  readonly #times: LockTimes;

  constructor(directory: string, times: Partial<LockTimes> = {}) {
    this.#directory = directory;
    this.#times = { ...TIMES, ...times };
  }

  /** Waits until this process holds the lock. Rejects if the signal aborts or the directory cannot be written. */
  async lock(key: string, { onWait, signal }: LockOptions = {}): Promise<Lock> {
    const seen = { version: '', since: 0 };
    for (let isFirst = true; ; isFirst = false) {
      signal?.throwIfAborted();
      const outcome = this.#attempt(key, seen);
      if (outcome instanceof Lock) return outcome;
      if (isFirst) onWait?.(outcome);
      await sleep(this.#times.poll, undefined, { signal }).catch((error: unknown) => {
        signal?.throwIfAborted(); // with its own reason, not the timer's
        throw error;
      });
    }
  }

  /** Takes the lock if it is free or its owner is a dead process of this host; otherwise describes its holder. */
  async tryLock(key: string): Promise<Lock | string> {
    return this.#attempt(key, { version: '', since: 0 });
  }

  /** Describes the holder; undefined if there is none or it is a dead process of this host. Changes nothing. */
  holder(key: string): string | undefined {
    const lease = readLease(this.#path(key));
    return lease && lifeOf(lease.owner) !== 'dead' ? describeHolder(lease) : undefined;
  }

  /** `seen` is the version that the caller saw before, and since when; it is updated. */
  #attempt(key: string, seen: { version: string; since: number }): Lock | string {
    for (let tries = 0; tries < 3; tries++) {
      const lock = this.#create(key);
      if (lock) return lock;
      const lease = readLease(this.#path(key));
      if (!lease) continue; // released since
      const now = performance.now();
      if (lease.version !== seen.version) Object.assign(seen, { version: lease.version, since: now });
      const life = lifeOf(lease.owner);
      const isExpired = life === 'dead' || (life === 'unknown' && now - seen.since >= this.#times.expiry);
      if (!isExpired) return describeHolder(lease);
      this.#removeExpired(key, lease);
    }
    return 'another process'; // which was faster three times
  }

  #create(key: string): Lock | undefined {
    const path = this.#path(key);
    const owner = ownerName();
    let file: number;
    try {
      file = fs.openSync(path, 'wx');
    } catch (error) {
      return ignore('EEXIST')(error);
    }
    try {
      fs.writeFileSync(file, `${owner} ${hostname()}\n`);
    } catch (error) {
      fs.unlinkSync(path);
      throw error;
    } finally {
      fs.closeSync(file);
    }
    return new Lock(path, owner, this.#times.refresh);
  }

  /** Removes an expired lease. If another process has taken the lock over since, that process keeps it. */
  #removeExpired(key: string, expired: Lease): void {
    const path = this.#path(key);
    const moved = `${path}.${ownerName()}`;
    try {
      fs.renameSync(path, moved); // only one process succeeds
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return;
      throw error;
    }
    if (readLease(moved)?.version !== expired.version) quiet(() => fs.linkSync(moved, path));
    fs.unlinkSync(moved);
  }

  #path(key: string): string {
    return join(this.#directory, `${key}.lock`);
  }
}

function readLease(path: string): Lease | undefined {
  let file: number;
  try {
    file = fs.openSync(path, 'r'); // a network file system shows fresh times only of a file that was just opened
  } catch (error) {
    return ignore('ENOENT')(error);
  }
  try {
    const text = fs.readFileSync(file, 'utf8');
    const [owner, host = ''] = text.trimEnd().split(' ');
    return { owner, host, version: `${text}${fs.fstatSync(file, { bigint: true }).mtimeNs}` };
  } finally {
    fs.closeSync(file);
  }
}

function describeHolder({ owner, host }: Lease): string {
  const pid = OWNER.exec(owner)?.[1];
  if (pid === undefined) return 'another process';
  return lifeOf(owner) === 'unknown' ? `process ${pid} on ${host}` : `process ${pid}`;
}

/**
 * The name of a process and of one thing that it owns: pid, start time in ticks since boot (0 if unknown), a digest of
 * host, boot and pid namespace, random digits. It is the content of leases and the name of temporary directories.
 */
const OWNER = /^(\d+)-(\d+)-([0-9a-f]{12})-[0-9a-f]{12}$/;

/** A new name for something that this process owns. */
export function ownerName(): string {
  return `${process.pid}-${statOf(process.pid)?.start ?? 0}-${place()}-${randomBytes(6).toString('hex')}`;
}

/**
 * Whether an owner still runs. `unknown` if it belongs to another host, boot or pid namespace, if its pid is in use and
 * its start time is not known, or if this is no owner's name.
 */
export function lifeOf(owner: string): 'alive' | 'dead' | 'unknown' {
  const [, pid, start, where] = OWNER.exec(owner) ?? [];
  if (pid === undefined || where !== place()) return 'unknown';
  if (!isRunning(Number(pid), start)) return 'dead';
  return start === '0' ? 'unknown' : 'alive';
}

/** Whether a process of this host runs under the pid and started at `start`, if that is known (not '0'). */
export function isRunning(pid: number, start = '0'): boolean {
  try {
    process.kill(pid, 0); // signal 0 only tests
  } catch (error) {
    if (codeOf(error) !== 'EPERM') return false; // EPERM: another user's process
  }
  const stat = statOf(pid);
  if (!stat) return true; // without a readable /proc the pid alone decides
  // A zombie keeps its pid until its parent waits for it, which the first process of some containers never does.
  if (stat.state === 'Z' || stat.state === 'X') return false;
  return start === '0' || stat.start === start;
}

/** Fields 3 and 22 of /proc/<pid>/stat. Field 2, the command, may contain spaces and brackets. */
function statOf(pid: number): { state: string; start: string } | undefined {
  return quiet(() => {
    const text = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0], start: fields[19] };
  });
}

let placeDigest: string | undefined;

/** A digest of everything that makes a pid mean the same process. */
function place(): string {
  placeDigest ??= createHash('sha256')
    .update(hostname())
    .update(quiet(() => fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')) ?? '')
    .update(quiet(() => fs.readlinkSync('/proc/self/ns/pid')) ?? '')
    .digest('hex')
    .slice(0, 12);
  return placeDigest;
}

const cleanups = new Set<() => unknown>();
process.on('exit', () => cleanups.forEach((cleanup) => void quiet(cleanup)));

/** Runs `cleanup`, which must be synchronous, when this process ends, unless it is killed. The result cancels that. */
export function atExit(cleanup: () => unknown): () => void {
  cleanups.add(cleanup);
  return () => void cleanups.delete(cleanup);
}

/** The result of `work`, or undefined if it throws. */
export function quiet<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
