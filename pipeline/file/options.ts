import type { Stage } from '../../stages/stage.ts';
import { describe, type JsonSchema, literal } from './describe.ts';
import { jsonSchema } from './schema.ts';

/** One option of a stage, for documentation. */
export interface OptionRow {
  /** `steps`, or `clip.prompt` for a member of an option. */
  name: string;
  type: string;
  required: boolean;
  /** The default in YAML; undefined without one. */
  fallback?: string;
  description: string;
}

/** All options of a map, members after their map, in the schema's order. */
export function optionRows(schema: JsonSchema, prefix = ''): OptionRow[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, option]): OptionRow[] => {
    const name = prefix + key;
    const row: OptionRow = {
      name,
      type: describe(option),
      required: schema.required?.includes(key) ?? false,
      // The default of a map is that of its members, which have their own rows.
      fallback: option.default === undefined || option.properties ? undefined : literal(option.default),
      description: option.description ?? '',
    };
    // The members of a value that may also be something simpler.
    const alternatives = option.anyOf?.find(({ properties }) => properties) ?? {};
    return [row, ...optionRows(option, `${name}.`), ...optionRows(alternatives, `${name}.`)];
  });
}

/** A stage and its options as Markdown, which is also readable in a terminal. */
export function stageText({ name, summary, needs, uses = [], gives, options }: Stage): string {
  const used = uses.length ? ` Optional inputs: ${uses.join(', ')}.` : '';
  const flow = `Inputs: ${needs.join(', ') || 'none'}.${used} Outputs: ${gives.join(', ')}.`;
  return [`## ${name}\n\n${summary}. ${flow}\n`, ...optionLines(jsonSchema(options))].join('\n');
}

/** The options of a map as a Markdown list. */
export function optionLines(schema: JsonSchema): string[] {
  return optionRows(schema).map(({ name, type, required, fallback, description }) => {
    const state = required ? ' (required)' : fallback === undefined ? '' : `, default \`${fallback}\``;
    return `- \`${name}\`: ${type}${state}.${description && `\n  ${description}`}`;
  });
}
