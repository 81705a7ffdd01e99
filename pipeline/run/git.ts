import { dirname } from 'node:path';

/** Where a working tree stands. */
export interface GitState {
  commit: string;
  /** Whether tracked files differ from the commit. */
  dirty: boolean;
}

/** Of the folder that a pipeline file lies in; undefined outside a repository, or without git. */
export async function gitState(file: string): Promise<GitState | undefined> {
  const { $ } = await import('../process.ts'); // late: a run that finds everything done does not wait for it
  const git = $({ cwd: dirname(file), nothrow: true });
  const both = Promise.all([git`git rev-parse HEAD`, git`git status --porcelain --untracked-files=no`]);
  const [head, status] = await both.catch(() => []);
  if (head?.exitCode !== 0 || status?.exitCode !== 0) return undefined;
  return { commit: head.stdout.trim(), dirty: status.stdout.trim() !== '' };
}
