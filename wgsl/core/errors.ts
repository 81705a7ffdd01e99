/** The position of an error in the user's input: `file:line:column`, as far as it is known. */
export interface Place {
  file: string;
  line?: number;
  column?: number;
}

/**
 * An error in the user's input (a file, an option, a missing model). The message states in one sentence the value found, the
 * value expected and the fix. The command line prints it without a stack and exits with 2.
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

/** The adapter cannot do the work (no adapter, a limit too small, device lost). Exit code 3. */
export class GpuError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'GpuError';
  }
}

/** The advice where something exceeds the adapter's limits, with the options of pipeline files. */
export const SMALLER =
  'Make the pictures smaller (load.downscale, orbit.size), train fewer Gaussians (train.cap), take a lower SH degree ' +
  '(init.shDegree), or use fewer crops (crops.count)';

export function formatPlace(place: Place): string {
  return [place.file, place.line, place.column].filter((part) => part !== undefined).join(':');
}
