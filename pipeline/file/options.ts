import { writeFile } from 'node:fs/promises';
import { stages } from '../../stages/index.ts';
import type { Stage } from '../../stages/stage.ts';
import { describe, type JsonSchema, literal } from './describe.ts';
import { jsonSchema, pipelineHead, pipelineSchema } from './schema.ts';

/** One option of a stage as people read of it. */
export interface OptionRow {
  /** `steps`, or `clip.prompt` for a part of an option. */
  name: string;
  type: string;
  required: boolean;
  /** The default in YAML; undefined without one. */
  fallback?: string;
  description: string;
}

/** All options of a stage, parts after their whole, in the schema's order. */
export function optionRows(stage: Stage): OptionRow[] {
  return rowsOf(jsonSchema(stage.options));
}

function rowsOf(schema: JsonSchema, prefix = ''): OptionRow[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, option]): OptionRow[] => {
    const name = prefix + key;
    const row: OptionRow = {
      name,
      type: describe(option),
      required: schema.required?.includes(key) ?? false,
      // A map's default is that of its parts, which have rows of their own.
      fallback: option.default === undefined || option.properties ? undefined : literal(option.default),
      description: option.description ?? '',
    };
    return [row, ...rowsOf(option, `${name}.`)];
  });
}

/** The reference of all stages and options, `docs/options.md`. */
export function optionsReference(registry: readonly Stage[]): string {
  const sections = registry.map((stage) => {
    const { name, summary, needs, uses = [], gives } = stage;
    const used = uses.length ? ` Uses when there: ${uses.join(', ')}.` : '';
    const rows = optionRows(stage);
    return `## ${name}

${summary}

Needs: ${needs.join(', ') || 'nothing'}.${used} Gives: ${gives.join(', ')}.

${rows.length ? table(rows, 'option') : 'No options.'}
`;
  });
  return `# Options of the stages

Written by \`npm run schema\` from the stages' own schemas. A stage that appears twice takes an \`id\`.

## The top of the file

${table(rowsOf(jsonSchema(pipelineHead)), 'key')}

${sections.join('\n')}`;
}

function table(rows: readonly OptionRow[], what: string): string {
  const lines = rows.map(({ name, type, required, fallback, description }) => {
    const value = required ? '(required)' : fallback === undefined ? '' : `\`${fallback}\``;
    return `| \`${name}\` | ${cell(type)} | ${cell(value)} | ${cell(description)} |`;
  });
  return [`| ${what} | value | default | meaning |`, '|---|---|---|---|', ...lines].join('\n');
}

function cell(text: string): string {
  return text.replace(/\|/g, '\\|').replace(/</g, '&lt;').replace(/\n/g, ' ');
}

/** The files that are generated from the stages' schemas: path from the repository's root, and text. */
export function generatedFiles(): { path: string; text: string }[] {
  return [
    { path: 'pipeline/schema.json', text: `${JSON.stringify(pipelineSchema(stages), null, 2)}\n` },
    { path: 'docs/options.md', text: optionsReference(stages) },
  ];
}

// `npm run schema`
if (process.argv[1] && import.meta.url === new URL(`file://${process.argv[1]}`).href) {
  const root = new URL('../../', import.meta.url);
  for (const { path, text } of generatedFiles()) await writeFile(new URL(path, root), text);
}
