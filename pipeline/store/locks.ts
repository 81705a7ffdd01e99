import { randomBytes } from 'node:crypto';
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  unlinkSync,
  write,
  writeSync,
} from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { codeOf, ignore } from './disk-errors.ts';
import { lifeOf, type Owner, thisProcess } from './owner.ts';

/**
 * Locks between processes: one file per key, made exclusively, that names its owner. A dead owner's lock is taken over. An
 * owner that nobody here can ask for (another host, another container) counts as dead when its heartbeat has stood still
 * for a while on the waiter's own monotonic clock: no wall clock is ever read, and none is compared between hosts. Files are
 * handled synchronously, a few hundred bytes, so that nothing comes between looking and acting in this process. The worst
 * that a race (an owner that slept through its own burial) leads to is work done twice.
 */

/** Milliseconds; tests set others. */
export interface LockTimes {
  /** Between two looks of a waiter. */
  poll: number;
  /** Between two heartbeats of an owner. */
  beat: number;
  /** How long the heartbeat of an owner elsewhere stands still before it is taken for dead. */
  silent: number;
  /** How long a lock that names nobody, or a take-over that was begun, lies before it is taken for abandoned. */
  abandoned: number;
}

const ENDING = '.lock';
const TIMES: LockTimes = { poll: 150, beat: 4000, silent: 60_000, abandoned: 10_000 };

/** Who holds a lock; nothing is known of one that was killed while it wrote its name. */
export interface Holder {
  pid?: number;
  host?: string;
  /** Whether it is a process of this host, which `pid` names. */
  here: boolean;
}

export interface LockOptions {
  /** Called once, as soon as there is somebody to wait for. */
  onWait?: (holder: Holder) => void;
  /** Ends the waiting; `lock` rejects with its reason. */
  signal?: AbortSignal;
}

const ownerSchema = z.object({
  token: z.string(),
  pid: z.int(),
  start: z.string(),
  host: z.string(),
  boot: z.string(),
  pidSpace: z.string(),
});

/** A lock file as it was read: the first line is the heartbeat, the second the owner. */
interface Found {
  text: string;
  owner?: Owner & { token: string };
}

/** Locks of this process, which go when it ends, unless it is killed. */
const held = new Set<Lock>();
let watching = false;

/** A lock that this process holds. */
export class Lock {
  readonly key: string;
  readonly #path: string;
  readonly #token: string;
  readonly #file: number;
  readonly #timer: NodeJS.Timeout;
  #beats = 0;
  #beating: Promise<void> | undefined;

  /** `file` is the open lock file, with this process's name in it. */
  constructor(key: string, path: string, token: string, file: number, beat: number) {
    this.key = key;
    this.#path = path;
    this.#token = token;
    this.#file = file;
    this.#timer = setInterval(() => this.#beat(), beat).unref();
    if (!watching) process.on('exit', () => held.forEach((lock) => void lock.drop()));
    watching = true;
    held.add(this);
  }

  /** Gives it back. Harmless when it is given back already, or was taken over. */
  async release(): Promise<void> {
    if (!this.drop()) return;
    await this.#beating; // its number must not be another file's while something is being written under it
    closeSync(this.#file);
  }

  /** Removes the file at once, as a process that ends must; false where it was done before. */
  drop(): boolean {
    if (!held.delete(this)) return false;
    clearInterval(this.#timer);
    try {
      if (readLock(this.#path)?.owner?.token === this.#token) unlinkSync(this.#path);
    } catch {
      // It stays and names a process that is gone, or a pid of ours that the next owner knows better of.
    }
    return true;
  }

  /** Written through the open file, so that a beat never reaches the lock of whoever took over. */
  #beat(): void {
    this.#beating ??= new Promise((resolve) => {
      write(this.#file, beatLine(++this.#beats), 0, 'latin1', () => {
        this.#beating = undefined;
        resolve();
      });
    });
  }
}

/** The locks in one folder, which must be there. */
export class Locks {
  readonly #folder: string;
  readonly #times: LockTimes;

  constructor(folder: string, times: Partial<LockTimes> = {}) {
    this.#folder = folder;
    this.#times = { ...TIMES, ...times };
  }

  /** Waits until the lock is this process's. Rejects when the signal aborts, or when the folder takes no files. */
  async lock(key: string, { onWait, signal }: LockOptions = {}): Promise<Lock> {
    const watch = new Watch();
    for (let told = false; ; ) {
      signal?.throwIfAborted();
      const outcome = this.#attempt(key, watch);
      if (outcome instanceof Lock) return outcome;
      if (!told) onWait?.(outcome);
      told = true;
      try {
        await sleep(this.#times.poll, undefined, { signal });
      } catch (error) {
        signal?.throwIfAborted(); // with its own reason, not the timer's
        throw error;
      }
    }
  }

  /** The lock, also from an owner of this host that is dead; or who holds it. Waits for nobody. */
  async tryLock(key: string): Promise<Lock | Holder> {
    return this.#attempt(key, new Watch());
  }

  /** Who holds it; undefined where nobody does, or somebody of this host who is dead. Changes nothing. */
  holder(key: string): Holder | undefined {
    const found = readLock(this.#path(key));
    return found && !isDead(found) ? holderOf(found) : undefined;
  }

  /** Keys with a lock file, sorted; of some the owner may be dead. */
  async keys(): Promise<string[]> {
    const names = (await readdir(this.#folder).catch(ignore('ENOENT'))) ?? [];
    return names
      .filter((name) => name.endsWith(ENDING))
      .map((name) => name.slice(0, -ENDING.length))
      .sort();
  }

  #attempt(key: string, watch: Watch): Lock | Holder {
    // Twice: whoever had it may have given it back between our try and our look.
    for (let tries = 0; ; tries++) {
      const mine = this.#create(key);
      if (mine) return mine;
      const found = readLock(this.#path(key));
      if (!found) {
        if (tries < 2) continue;
        return { here: false };
      }
      const patience = found.owner ? this.#times.silent : this.#times.abandoned;
      const known = found.owner !== undefined && lifeOf(found.owner) !== 'elsewhere';
      const buried = known ? isDead(found) : watch.still('lock', found.text) >= patience;
      const taken = buried ? this.#takeOver(key, found, watch) : undefined;
      return taken ?? holderOf(found);
    }
  }

  /** The one place where a lock begins. */
  #create(key: string): Lock | undefined {
    const path = this.#path(key);
    const token = randomBytes(16).toString('hex');
    let file: number;
    try {
      file = openSync(path, 'wx');
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return undefined;
      throw error;
    }
    try {
      writeSync(file, `${beatLine(0)}${JSON.stringify({ token, ...thisProcess() })}\n`);
    } catch (error) {
      closeSync(file);
      rmSync(path, { force: true });
      throw error;
    }
    return new Lock(key, path, token, file, this.#times.beat);
  }

  /**
   * Takes a dead owner's lock. A folder is the mutex between waiters, so that none removes the lock that another has just
   * made; of one who was killed inside it is removed by the next.
   */
  #takeOver(key: string, dead: Found, watch: Watch): Lock | undefined {
    const path = this.#path(key);
    const mutex = `${path}.taking`;
    try {
      mkdirSync(mutex);
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
      if (watch.still('mutex', identityOf(mutex)) >= this.#times.abandoned) removeFolder(mutex);
      return undefined;
    }
    try {
      if (readLock(path)?.text !== dead.text) return undefined; // another was quicker, or it lives
      unlinkSync(path);
      return this.#create(key);
    } finally {
      removeFolder(mutex);
    }
  }

  #path(key: string): string {
    return join(this.#folder, key + ENDING);
  }
}

/** How long each of several things has been the same, on this process's monotonic clock. */
class Watch {
  readonly #seen = new Map<string, { value: string; since: number }>();

  /** Milliseconds since `value` was first given for `name` without another between; 0 when it is new. */
  still(name: string, value: string): number {
    const now = performance.now();
    const before = this.#seen.get(name);
    if (before?.value === value) return now - before.since;
    this.#seen.set(name, { value, since: now });
    return 0;
  }
}

function beatLine(beats: number): string {
  return `${String(beats).padStart(12, '0')}\n`;
}

function readLock(path: string): Found | undefined {
  try {
    const text = readFileSync(path, 'utf8');
    return { text, owner: parseOwner(text) };
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function parseOwner(text: string): Found['owner'] {
  try {
    return ownerSchema.parse(JSON.parse(text.slice(text.indexOf('\n') + 1)));
  } catch {
    return undefined; // killed between making the file and writing to it, or cut short by a power failure
  }
}

function isDead({ owner }: Found): boolean {
  return owner !== undefined && lifeOf(owner) === 'dead';
}

function holderOf({ owner }: Found): Holder {
  if (!owner) return { here: false };
  return { pid: owner.pid, host: owner.host, here: lifeOf(owner) !== 'elsewhere' };
}

/** Tells one folder from the next of the same name; the times in it are compared for equality alone. */
function identityOf(folder: string): string {
  const info = statSync(folder, { bigint: true, throwIfNoEntry: false });
  return info ? `${info.ino} ${info.ctimeNs}` : '';
}

function removeFolder(folder: string): void {
  try {
    rmdirSync(folder);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}
