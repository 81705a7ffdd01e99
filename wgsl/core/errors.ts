/** Where in the user's input something is wrong: `file:line:column`, as much of it as is known. */
export interface Place {
  file: string;
  line?: number;
  column?: number;
}

/**
 * The user's input is at fault (a file, an option, a missing model), and the message says in one sentence what was
 * found, what was expected and what to do. The command line prints it without a stack and exits with 2.
 */
export class InputError extends Error {
  readonly place?: Place;

  constructor(message: string, place?: Place | string) {
    const at = typeof place === 'string' ? { file: place } : place;
    super(at ? `${formatPlace(at)}: ${message}` : message);
    this.name = 'InputError';
    this.place = at;
  }
}

/** The adapter cannot do what is asked (no adapter, a limit too small, device lost). Exit code 3. */
export class GpuError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'GpuError';
  }
}

/** What helps where the adapter cannot hold what is asked of it, in the words of pipeline files. */
export const SMALLER =
  'Make the pictures smaller (load.downscale, orbit.size), train fewer Gaussians (train.cap), or take a lower SH degree ' +
  '(init.shDegree)';

export function formatPlace(place: Place): string {
  return [place.file, place.line, place.column].filter((part) => part !== undefined).join(':');
}
