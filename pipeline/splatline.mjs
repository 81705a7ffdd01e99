#!/usr/bin/env node
// The command `splatline`: hands over to the command line, which is TypeScript.
import { loadCommandLine } from './compiled.mjs';

const { main } = await loadCommandLine(process.argv.slice(2));
await main(process.argv.slice(2));
