import { Command } from 'commander';
import { stages } from '../../stages/index.ts';
import type { Stage } from '../../stages/stage.ts';
import { InputError } from '../../wgsl/core/index.ts';
import { nearest } from '../file/describe.ts';
import { type OptionRow, optionRows } from '../file/options.ts';

/** `splatline stages [NAME]`. */
export function stagesCommand(): Command {
  return new Command('stages')
    .description('List the stages and their options, with types and defaults.')
    .argument('[name]', 'one stage')
    .option('--json', 'print JSON')
    .action((name: string | undefined, { json }: { json?: boolean }) => {
      const chosen = name === undefined ? stages : stages.filter((stage) => stage.name === name);
      if (!chosen.length) {
        const names = stages.map((stage) => stage.name);
        throw new InputError(`no stage is called ${name}: ${nearest(name ?? '', names)}`);
      }
      const text = json ? JSON.stringify(chosen.map(asData), null, 2) : chosen.map(stageText).join('\n\n');
      process.stdout.write(`${text}\n`);
    });
}

function asData(stage: Stage) {
  const { name, summary, needs, uses = [], gives } = stage;
  return { name, summary, needs, uses, gives, options: optionRows(stage) };
}

function stageText(stage: Stage): string {
  const flow = [
    ...(stage.needs.length ? [`inputs: ${stage.needs.join(', ')}`] : []),
    ...(stage.uses?.length ? [`optional inputs: ${stage.uses.join(', ')}`] : []),
    `outputs: ${stage.gives.join(', ')}`,
  ];
  const rows = optionRows(stage);
  const wide = Math.max(...rows.map(({ name }) => name.length), 0);
  return [
    `${stage.name}: ${stage.summary}`,
    `  ${flow.join('; ')}`,
    ...rows.map((row) => `  ${row.name.padEnd(wide)}  ${rowText(row, wide + 4)}`),
  ].join('\n');
}

function rowText({ type, required, fallback, description }: OptionRow, indent: number): string {
  const state = required ? ' (required)' : fallback === undefined ? '' : `, default ${fallback}`;
  const about = description ? `\n${' '.repeat(indent)}${description}` : '';
  return `${type}${state}${about}`;
}
