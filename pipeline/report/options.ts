import { relative } from 'node:path';
import type { Stage } from '../../stages/stage.ts';
import { isMap, type JsonSchema, variants } from '../file/describe.ts';
import { toJsonSchema } from '../file/schema.ts';
import { flat } from '../keys/why.ts';
import type { OptionData } from './data.ts';

/** The options of a stage that differ from its defaults, all of them where the stage is unknown. Paths are relative to `cwd`. */
export function changedOptions(stage: Stage | undefined, options: unknown, cwd: string): OptionData[] {
  const standard = stage ? defaultsOf(toJsonSchema(stage.options)) : {};
  return Object.entries(flat(options)).flatMap(([name, value]) => {
    if (name === '' || value === undefined) return [];
    const [now, was] = [optionText(value, cwd), standard[name]];
    if (was === undefined) return [{ name, value: now }];
    const before = optionText(was, cwd);
    return now === before ? [] : [{ name, value: now, standard: before }];
  });
}

/** A value of an option as a pipeline file writes it. */
export function optionText(value: unknown, cwd: string): string {
  if (Array.isArray(value)) return `[${value.map((item) => optionText(item, cwd)).join(', ')}]`;
  if (typeof value !== 'string') return JSON.stringify(value);
  const below = value.startsWith('/') || /^[A-Z]:\\/.test(value) ? relative(cwd, value) : value;
  return below.startsWith('..') || below === '' ? value : below;
}

/** The default of each option, by the names of `flat`. */
function defaultsOf(schema: JsonSchema, prefix = ''): Record<string, unknown> {
  const parts = variants(schema).flatMap(({ properties = {} }) => Object.entries(properties));
  const inside = parts.map(([key, part]) => defaultsOf(part, prefix ? `${prefix}.${key}` : key));
  const own = schema.default;
  const flatOwn = own === undefined ? {} : isMap(own) ? flat(own, prefix) : { [prefix]: own };
  return Object.assign({}, ...inside, flatOwn);
}
