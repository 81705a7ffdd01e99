/**
 * Teaches this process TypeScript: `node --import splatline/typescript FILE.ts`, or an import before the first .ts.
 * No tsconfig is read: not that of the folder where the user happens to stand.
 */
import { register as registerHooks } from 'node:module';
import { register as registerTsx } from 'tsx/esm/api';

registerTsx({ tsconfig: false });
registerHooks('./plain-packages.mjs', import.meta.url); // registered last, asked first
