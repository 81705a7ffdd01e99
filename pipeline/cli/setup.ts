import { Command } from 'commander';

/** `splatline setup`: what `npm start` does first in a checkout; where splatline is installed, the adapter alone. */
export function setupCommand(): Command {
  return new Command('setup')
    .description('Install a software WebGPU adapter where this machine offers none (Linux).')
    .action(async () => {
      const { setUp } = await import('../setup.mjs');
      setUp();
    });
}
