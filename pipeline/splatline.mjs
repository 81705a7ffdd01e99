#!/usr/bin/env node
// The command `splatline`. A checkout has the build script beside this file, and builds stale files first.
import { existsSync, readFileSync } from 'node:fs';
import { argv, stdout } from 'node:process';

const args = argv.slice(2);
if (args.length === 1 && ['-V', '--version'].includes(args[0])) {
  const manifest = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  stdout.write(`${JSON.parse(manifest).version}\n`);
} else {
  if (existsSync(new URL('./build.mjs', import.meta.url))) {
    const { buildIfStale } = await import('./build.mjs');
    await buildIfStale();
  }
  const { main } = await import('../dist/cli.js');
  await main(args);
}
