import { dirname } from 'node:path';

/** Where a working tree stands. */
export interface GitState {
  commit: string;
  /** Whether tracked files differ from the commit. */
  dirty: boolean;
}

/** Of the folder that a pipeline file lies in; undefined outside a repository, before its first commit, or without git. */
export async function gitState(file: string): Promise<GitState | undefined> {
  const { printed } = await import('../process.ts'); // late: what runs no program loads none of that
  const args = ['status', '--porcelain=v2', '--branch', '--untracked-files=no'];
  const lines = (await printed('git', args, dirname(file)))?.trimEnd().split('\n');
  const commit = /^# branch\.oid ([0-9a-f]+)$/m.exec(lines?.join('\n') ?? '')?.[1];
  return commit && lines ? { commit, dirty: lines.some((line) => !line.startsWith('#')) } : undefined;
}
