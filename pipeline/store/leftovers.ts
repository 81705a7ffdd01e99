import { createHash, randomBytes } from 'node:crypto';
import { isRunning, thisProcess } from './owner.ts';

/**
 * Folders aside carry their owner in their names, so that what a killed process left can be told from what is being
 * written: pid, start time, and a digest of host, boot and pid namespace.
 */
const NAME = /^(\d+)-(\d+)-([0-9a-f]{12})-[0-9a-f]{12}$/;

export function asideName(): string {
  const { pid, start } = thisProcess();
  return `${pid}-${start || 0}-${place()}-${randomBytes(6).toString('hex')}`;
}

/** Whose a folder aside is. `unknown`: of another host or boot, or not named by us; nobody here can ask its owner. */
export function asideOwner(name: string): 'alive' | 'dead' | 'unknown' {
  const match = NAME.exec(name);
  if (!match || match[3] !== place()) return 'unknown';
  return isRunning(Number(match[1]), match[2] === '0' ? '' : match[2]) ? 'alive' : 'dead';
}

function place(): string {
  const { host, boot, pidSpace } = thisProcess();
  return createHash('sha256')
    .update(JSON.stringify([host, boot, pidSpace]))
    .digest('hex')
    .slice(0, 12);
}
