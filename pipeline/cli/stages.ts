import { Command } from 'commander';
import { stages } from '../../stages/index.ts';
import { InputError } from '../../wgsl/core/index.ts';
import { nearest } from '../file/describe.ts';
import { optionRows, stageText } from '../file/options.ts';
import { jsonSchema } from '../file/schema.ts';

/** `splatline stages [NAME]`. */
export function stagesCommand(): Command {
  return new Command('stages')
    .description('List the stages and their options, with types and defaults.')
    .argument('[name]', 'one stage')
    .option('--json', 'print JSON')
    .action((wanted: string | undefined, { json }: { json?: boolean }) => {
      const chosen = stages.filter(({ name }) => wanted === undefined || name === wanted);
      if (!chosen.length) {
        const names = stages.map(({ name }) => name);
        throw new InputError(`no stage is called ${wanted}: ${nearest(wanted!, names)}`);
      }
      const data = chosen.map(({ name, summary, needs, uses = [], gives, options }) => {
        return { name, summary, needs, uses, gives, options: optionRows(jsonSchema(options)) };
      });
      const text = json ? JSON.stringify(data, null, 2) : chosen.map(stageText).join('\n\n');
      process.stdout.write(`${text}\n`);
    });
}
