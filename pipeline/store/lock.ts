import * as fs from 'node:fs';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf, ignore, quiet } from './disk.ts';

/**
 * Locks between processes. A lock is a lease file, created exclusively, that names its owner; the owner refreshes its
 * modification time. A lease ends when its owner is a dead process of this host, or was not refreshed for a minute. The
 * worst outcome of a race, a suspended owner or a wrong clock is work done twice.
 */

export interface LockOptions {
  /** Called once if there is a holder to wait for, with its description: `process 17`, `process 17 on host`. */
  onWait?: (holder: string) => void;
  /** Ends the waiting; `lock` rejects with its reason. */
  signal?: AbortSignal;
  /** Milliseconds without a refresh until a lease ends; for tests. */
  expiry?: number;
}

/** A lock that this process holds. It is released when the process ends, unless the process is killed. */
export interface Lock {
  /** Does nothing if the lock is released already or another process has taken it over. */
  release(): void;
}

const EXPIRY_MS = 60_000;
/** The holder of a lease without an owner. */
const UNKNOWN = 'another process';

const PID_NAMESPACE = quiet(() => fs.readlinkSync('/proc/self/ns/pid').replace(/\D/g, '')) ?? '';
/** Where a process id names the same process: containers may share a host's name, but not its process ids. */
export const HOST = `${hostname()}+${PID_NAMESPACE}`;
/** This process, in its leases and in the names of its drafts. */
export const OWNER = `${process.pid}@${HOST}`;

/** Whether an owner is a process of this host that has ended. False if its pid is in use again. */
export function isDead(owner: string): boolean {
  const [pid, host] = owner.split('@');
  if (host !== HOST) return false;
  try {
    process.kill(Number(pid), 0); // signal 0 only tests
    return false;
  } catch (error) {
    return codeOf(error) !== 'EPERM'; // EPERM: another user's process
  }
}

const locks = new Set<Lock>();
process.on('exit', () => locks.forEach((lock) => void lock.release()));

/** Waits until this process holds the lock. Rejects if the signal aborts or the file cannot be written. */
export async function lock(path: string, options: LockOptions = {}): Promise<Lock> {
  const { onWait, signal, expiry = EXPIRY_MS } = options;
  let [turn, isReported] = [0, false];
  for (; ; turn++) {
    signal?.throwIfAborted();
    removeEnded(path, expiry);
    if (createLease(path)) return hold(path, expiry / 15);
    const holder = holderOf(path, expiry);
    if (holder === undefined) continue;
    // A lease is empty between its creation and the writing of its owner.
    if (!isReported && (holder !== UNKNOWN || turn > 1)) {
      isReported = true;
      onWait?.(holder);
    }
    await sleep(expiry / 400, undefined, { signal }).catch(() => signal?.throwIfAborted()); // with its own reason
  }
}

/** Creates the lease file; false if there is one. */
function createLease(path: string): boolean {
  try {
    fs.writeFileSync(path, OWNER, { flag: 'wx' });
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    quiet(() => fs.readFileSync(path, 'utf8') === '' && fs.unlinkSync(path)); // a full disk takes names, no contents
    throw error;
  }
}

/** Refreshes a lease of this process until it is released. */
function hold(path: string, refresh: number): Lock {
  const ifOwned = (work: () => void) => quiet(() => fs.readFileSync(path, 'utf8') === OWNER && work());
  const timer = setInterval(() => ifOwned(() => fs.utimesSync(path, new Date(), new Date())), refresh);
  const lock = {
    release() {
      clearInterval(timer);
      if (locks.delete(lock)) ifOwned(() => fs.unlinkSync(path));
    },
  };
  timer.unref();
  locks.add(lock);
  return lock;
}

/** Describes the holder of a lock; undefined if there is none or its lease has ended. Changes nothing. */
export function holderOf(path: string, expiry = EXPIRY_MS): string | undefined {
  const lease = readLease(path, expiry);
  if (!lease || lease.hasEnded) return undefined;
  const [pid, host] = lease.owner.split('@');
  if (host === undefined) return UNKNOWN;
  return host === HOST ? `process ${pid}` : `process ${pid} on ${host.replace(/\+\d*$/, '')}`;
}

/** Removes a lease that has ended; with an infinite `expiry`, that of a dead process. */
export function removeEnded(path: string, expiry: number): void {
  if (readLease(path, expiry)?.hasEnded) fs.rmSync(path, { force: true });
}

function readLease(path: string, expiry: number): { owner: string; hasEnded: boolean } | undefined {
  try {
    const owner = fs.readFileSync(path, 'utf8');
    // A time in the future, of a clock that was set back since, does not count as a refresh.
    const age = Math.abs(Date.now() - fs.statSync(path).mtimeMs);
    return { owner, hasEnded: isDead(owner) || age > expiry };
  } catch (error) {
    return ignore('ENOENT')(error);
  }
}
