#!/usr/bin/env node
// The command `splatline`: hands over to the command line, which is TypeScript.
import './typescript.mjs';

const { main } = await import('./cli/main.ts');
await main(process.argv.slice(2));
