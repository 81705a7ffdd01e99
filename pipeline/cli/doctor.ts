import { Command } from 'commander';
import { EXIT } from '../exit.ts';
import { packageVersion } from '../run/manifest.ts';
import type { Check } from './checks.ts';

/** `splatline doctor`: exit code 3 without an adapter, 1 when anything else is missing. */
export function doctorCommand(): Command {
  return new Command('doctor')
    .description('Say what this machine offers, what is missing and the line that mends it.')
    .argument('[model...]', 'folders of CLIP models to look at')
    .option('--json', 'print JSON')
    .action(async (models: string[], { json }: { json?: boolean }) => {
      const { checkAdapter, checkModels, checkNode, checkPackages, checkVideoEncoder } = await import(
        './checks.ts'
      );
      const checks = [
        checkNode(),
        await checkAdapter(),
        ...(await checkPackages()),
        await checkVideoEncoder(),
        ...(await checkModels(models)),
      ];
      const splatline = await packageVersion();
      const text = json
        ? JSON.stringify({ splatline, checks }, null, 2)
        : [`splatline ${splatline}`, ...checks.map(checkText)].join('\n');
      process.stdout.write(`${text}\n`);
      const failed = checks.filter(({ ok, optional }) => !ok && !optional);
      if (failed.length)
        process.exitCode = failed.some(({ name }) => name === 'adapter') ? EXIT.gpu : EXIT.fault;
    });
}

function checkText({ name, ok, optional, found, mend }: Check): string {
  const [first, ...others] = found;
  return [
    `${(ok ? 'ok' : optional ? 'absent' : 'MISSING').padEnd(8)} ${name}: ${first}`,
    ...others.map((fact) => `           ${fact}`),
    ...(mend ? [`           to mend: ${mend}`] : []),
  ].join('\n');
}
