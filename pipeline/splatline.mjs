#!/usr/bin/env node
// The command `splatline`: teaches this process TypeScript, then hands over to the command line.
import { register } from 'tsx/esm/api';

// No tsconfig: not that of the folder where the user happens to stand.
register({ tsconfig: false });
const { main } = await import('./cli/main.ts');
await main(process.argv.slice(2));
