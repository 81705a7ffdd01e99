/**
 * A loader hook: ES modules of packages are JavaScript already and are handed over as they lie on disk. tsx would parse
 * them and write source maps, which takes seconds for large ones (@playcanvas/splat-transform: 4 s of CPU instead of 1).
 */
import { readFile } from 'node:fs/promises';

const PACKAGE_MODULE = /\/node_modules\/.+\.m?js$/;

export async function load(url, context, next) {
  if (context.format !== 'module' || !PACKAGE_MODULE.test(url)) return next(url, context);
  return { format: 'module', source: await readFile(new URL(url)), shortCircuit: true };
}
