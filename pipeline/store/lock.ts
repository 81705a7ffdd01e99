import { createHash, randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf, ignore, quiet } from './disk.ts';

/**
 * Locks between processes. A lock is a lease file, created exclusively, that names its owner; the owner refreshes its
 * modification time. A lease ends when its owner is a dead process of this host, or when another process has waited a
 * minute without seeing a refresh. The waiting process counts its attempts and reads no clock, so clocks that jump and a
 * suspended machine change nothing. The worst outcome of a race, or of a suspended owner, is work done twice. File calls
 * are synchronous, so nothing runs between a check and its action.
 */

export interface LockOptions {
  /** Called once if there is a holder to wait for, with its description: `process 17`, `process 17 on host`. */
  onWait?: (holder: string) => void;
  /** Ends the waiting; `lock` rejects with its reason. */
  signal?: AbortSignal;
  /** Milliseconds between two attempts, between two refreshes, and until a lease without refreshes ends; for tests. */
  poll?: number;
  refresh?: number;
  expiry?: number;
}

/** A lease file as read. */
interface Lease {
  owner: string;
  host: string;
  /** Its last refresh by the wall clock, milliseconds. */
  refreshedAt: number;
  /** Changes with every owner and every refresh. */
  version: string;
}

/** `holderOf` cannot watch a lease for a minute. It ignores a lease without refreshes for an hour of the wall clock. */
const ABANDONED_MS = 3600_000;

const held = new Set<Lock>();
process.on('exit', () => held.forEach((lock) => void lock.release()));

/** A lock that this process holds. It is released when the process ends, unless the process is killed. */
export class Lock {
  readonly #path: string;
  readonly #owner: string;
  readonly #timer: NodeJS.Timeout;

  /** `path` is a lease file that names `owner`. */
  constructor(path: string, owner: string, refresh: number) {
    this.#path = path;
    this.#owner = owner;
    this.#timer = setInterval(() => {
      quiet(() => this.#isHeld() && fs.utimesSync(path, new Date(), new Date()));
    }, refresh).unref();
    held.add(this);
  }

  /** Does nothing if the lock is released already or another process has taken it over. */
  release(): void {
    clearInterval(this.#timer);
    held.delete(this);
    quiet(() => this.#isHeld() && fs.unlinkSync(this.#path));
  }

  #isHeld(): boolean {
    return readLease(this.#path)?.owner === this.#owner;
  }
}

/** Waits until this process holds the lock. Rejects if the signal aborts or the file cannot be written. */
export async function lock(path: string, options: LockOptions = {}): Promise<Lock> {
  const { onWait, signal, poll = 150, refresh = 4000, expiry = 60_000 } = options;
  const owner = ownerName();
  let version = '';
  let waited = 0;
  let isAnnounced = false;
  while (true) {
    signal?.throwIfAborted();
    if (createLease(path, owner)) return new Lock(path, owner, refresh);
    const lease = readLease(path);
    // A released lease leaves no file; a file that cannot be read is retried like a held lock.
    if (lease) {
      if (lease.version !== version) waited = 0;
      version = lease.version;
      if (isDead(lease.owner) || waited > expiry) {
        removeLease(path, lease);
        continue;
      }
      if (!isAnnounced) onWait?.(describe(lease));
      isAnnounced = true;
    }
    await sleep(poll, undefined, { signal }).catch((error: unknown) => {
      signal?.throwIfAborted(); // with its own reason, not the timer's
      throw error;
    });
    waited += poll;
  }
}

/** Describes the holder of a lock; undefined if there is none or it is gone. Changes nothing. */
export function holderOf(path: string): string | undefined {
  const lease = readLease(path);
  return lease && isInUse(lease) ? describe(lease) : undefined;
}

/** Removes a lease that `holderOf` does not count. If another process takes the lock over, that process keeps it. */
export function removeUnheld(path: string): void {
  const lease = readLease(path);
  if (lease && !isInUse(lease)) removeLease(path, lease);
}

function isInUse({ owner, refreshedAt }: Lease): boolean {
  return !isDead(owner) && Date.now() - refreshedAt <= ABANDONED_MS;
}

/** Creates the lease file; false if there is one. */
function createLease(path: string, owner: string): boolean {
  let file: number;
  try {
    file = fs.openSync(path, 'wx');
  } catch (error) {
    return ignore('EEXIST')(error) ?? false;
  }
  try {
    fs.writeFileSync(file, `${owner} ${hostname()}\n`);
    return true;
  } catch (error) {
    fs.unlinkSync(path);
    throw error;
  } finally {
    fs.closeSync(file);
  }
}

/** Removes an expired lease. If another process has taken the lock over since, that process keeps it. */
function removeLease(path: string, expired: Lease): void {
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
    const { mtimeMs, mtimeNs } = fs.fstatSync(file, { bigint: true });
    return { owner, host, refreshedAt: Number(mtimeMs), version: `${text}${mtimeNs}` };
  } finally {
    fs.closeSync(file);
  }
}

function describe({ owner, host }: Lease): string {
  const [, pid, where] = OWNER.exec(owner) ?? [];
  if (pid === undefined) return 'another process';
  return where === PLACE ? `process ${pid}` : `process ${pid} on ${host}`;
}

/** The content of leases and the name of drafts: a pid, a digest of where it means a process, random digits. */
const OWNER = /^(\d+)-([0-9a-f]{12})-[0-9a-f]{12}$/;
/** Of the host and, on Linux, the pid namespace: containers may share a host's name. */
const PLACE = createHash('sha256')
  .update(`${hostname()} ${quiet(() => fs.readlinkSync('/proc/self/ns/pid')) ?? ''}`)
  .digest('hex')
  .slice(0, 12);

/** A new name for something that this process owns. */
export function ownerName(): string {
  return `${process.pid}-${PLACE}-${randomBytes(6).toString('hex')}`;
}

/** Whether an owner is a process of this host that has ended. False if its pid is in use again. */
export function isDead(owner: string): boolean {
  const [, pid, where] = OWNER.exec(owner) ?? [];
  if (where !== PLACE) return false;
  try {
    process.kill(Number(pid), 0); // signal 0 only tests
    return false;
  } catch (error) {
    return codeOf(error) !== 'EPERM'; // EPERM: another user's process
  }
}
