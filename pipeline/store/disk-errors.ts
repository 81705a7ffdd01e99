import { InputError } from '../../wgsl/core/index.ts';

/** What the system's codes mean to someone whose disk it is. */
const MEANING: Record<string, string> = {
  ENOSPC: 'no space is left on the disk',
  EDQUOT: 'the quota is used up',
  EFBIG: 'the file system takes no file so large',
  EROFS: 'the file system is read-only',
  EACCES: 'writing there is not permitted',
  EPERM: 'writing there is not permitted',
};

/**
 * A failure of the disk in the user's words: an InputError that names the folder, what the system said and what to do.
 * Any other error comes back as it is. For every write below a store, those of stages into a draft included:
 * `catch (error) { throw explainDiskError(error, store.root); }`.
 */
export function explainDiskError(error: unknown, folder: string): unknown {
  const code = codeOf(error);
  if (error instanceof InputError || code === undefined || !(code in MEANING)) return error;
  const told = new InputError(
    `cannot be written: ${MEANING[code]} (${code}); ` +
      (isDiskFull(error)
        ? 'free space there (splatline gc frees what no run needs) or choose another store with --store'
        : 'allow writing there or choose another store with --store'),
    folder,
  );
  told.cause = error;
  return told;
}

/** Whether an error, as it came or explained, says that the disk is full. */
export function isDiskFull(error: unknown): boolean {
  const code = codeOf(error) ?? (error instanceof Error ? codeOf(error.cause) : undefined);
  return code === 'ENOSPC' || code === 'EDQUOT';
}

/** The system's code of an error (`ENOENT`, …), where it has one. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** For `.catch(ignore('ENOENT'))`: undefined for errors with one of these codes; any other is thrown again. */
export function ignore(...codes: readonly string[]): (error: unknown) => undefined {
  return (error) => {
    if (!codes.includes(codeOf(error) ?? '')) throw error;
    return undefined;
  };
}
