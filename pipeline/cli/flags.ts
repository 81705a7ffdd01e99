import { type Command, InvalidArgumentError } from 'commander';
import { InputError } from '../../wgsl/core/index.ts';
import { parseSlot } from '../matrix/slots.ts';

/** The store of runs without `--out` and `--store`. */
export const DEFAULT_STORE = 'out/.store';

/** The options that `run` and `plan` share. */
export interface PlanFlags {
  set?: string[];
  from?: string;
  until?: string;
  out?: string;
  store?: string;
  cell?: string;
  adapter?: string[];
  json?: boolean;
}

export function withPlanOptions(command: Command): Command {
  return command
    .option('--set <stage.option=value>', 'override a value of the file; may be repeated', collect)
    .option('--from <stage>', 'run this stage and later ones again, even if their results are saved')
    .option('--until <stage>', 'stop after this stage; results of later ones stay')
    .option('--out <folder>', 'write everything here instead of to out/<name>, the store included')
    .option('--store <folder>', 'keep saved work here; one store may serve many runs')
    .option('--cell <values>', 'only this cell of the matrix: its name, or prompt=rococo,seed=1')
    .option(
      '--adapter <name>',
      'run on the adapter whose name contains this; may be repeated, once for each job of a matrix',
      collect,
    )
    .option('--json', 'print JSON, one object a line');
}

/** For an option that may be repeated. */
export const collect = (value: string, before: string[] = []) => [...before, value];

/** The adapter of a single run, by name; sets the driver's variables in this process. @throws InputError for several. */
export function takeAdapter([first, ...others]: readonly string[] = []): string | undefined {
  if (others.length) {
    throw new InputError('a run has one adapter; only a matrix takes several', `--adapter ${others[0]}`);
  }
  if (first === undefined) return undefined;
  const { adapter, env } = parseSlot(first);
  Object.assign(process.env, env);
  return adapter;
}

/** Parses a number from `min` to `max`. */
export function number(min: number, max = Number.POSITIVE_INFINITY, kind = 'number') {
  return (value: string): number => {
    const parsed = Number(value.trim() || Number.NaN);
    const isValid = kind === 'number' ? Number.isFinite(parsed) : Number.isInteger(parsed);
    if (isValid && parsed >= min && parsed <= max) return parsed;
    const range = Number.isFinite(max) ? `from ${min} to ${max}` : `of at least ${min}`;
    throw new InvalidArgumentError(`Expected a ${kind} ${range}.`);
  };
}

/** Parses a whole number from `min` to `max`. */
export const whole = (min: number, max?: number) => number(min, max, 'whole number');
