import type { Command } from 'commander';
import { InputError } from '../../wgsl/core/index.ts';
import { parseSlot } from '../matrix/slots.ts';

/** `--set`, `--out`, `--store` and what else says which run is meant. */
export interface PlaceFlags {
  set: string[];
  from?: string;
  until?: string;
  out?: string;
  store?: string;
  adapter?: string[];
}

/** All of `run`. */
export interface RunFlags extends PlaceFlags {
  json?: boolean;
  frozen?: string;
  cell?: string;
  jobs?: number;
  failFast?: boolean;
}

/** The one adapter of a run: its name; variables for the driver are set in this process. Throws InputError. */
export function takeAdapter([first, ...others]: readonly string[] = []): string | undefined {
  if (others.length) {
    throw new InputError(
      'a run has one adapter; several are for the cells of a matrix',
      `--adapter ${others[0]}`,
    );
  }
  if (first === undefined) return undefined;
  const { adapter, env } = parseSlot(first);
  Object.assign(process.env, env);
  return adapter;
}

/** For an option that may be repeated. */
export const collect = (value: string, before: string[]) => [...before, value];

/** The options that `run` and `plan` share. */
export function withPlaceOptions(command: Command): Command {
  return command
    .option('--set <stage.option=value>', 'override a value of the file; may be repeated', collect, [])
    .option('--from <stage>', 'do this stage and those after it again, though their work is saved')
    .option('--until <stage>', 'stop after this stage')
    .option('--out <folder>', 'write everything here instead of out/<name>, the store included')
    .option('--store <folder>', 'keep saved work here; one store may serve many runs');
}
