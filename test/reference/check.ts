import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readSafetensors } from '../../stages/clip/safetensors.ts';
import { type Gpu, GpuError, InputError, openGpu } from '../../wgsl/core/index.ts';
import type { Layout, Row } from './layout.ts';
import { clipLayout } from './layouts/clip.ts';
import { rasterLayout } from './layouts/raster.ts';
import { ssimLayout } from './layouts/ssim.ts';

const LAYOUTS: readonly Layout[] = [rasterLayout, ssimLayout, clipLayout];
const FILES = new URL('../data/reference/', import.meta.url);

/** The rows of one reference file. */
export async function checkFile(gpu: Gpu, path: string): Promise<Row[]> {
  const { tensors, metadata } = await readSafetensors(path);
  const names = [...tensors.keys()];
  const layout = LAYOUTS.find((candidate) => candidate.recognises(names));
  if (!layout) {
    throw new InputError(
      `is of no layout known here (${LAYOUTS.map(({ name }) => name).join(', ')}); its tensors are ${names.join(', ')}`,
      path,
    );
  }
  return layout.check(gpu, path, tensors, metadata);
}

/** All reference files that the repository carries. */
export async function carriedFiles(): Promise<string[]> {
  const folder = fileURLToPath(FILES);
  const names = (await readdir(folder)).filter((name) => name.endsWith('.safetensors'));
  return names.sort().map((name) => join(folder, name));
}

export function formatRow(path: string, { tensor, error, limit, pass }: Row): string {
  return `${pass ? 'ok  ' : 'FAIL'}  ${basename(path)}  ${tensor}: ${error}  (limit ${limit})`;
}

/** `npm run reference [-- FILE…]`: 0 within tolerance, 1 beyond, 2 for a file that cannot be judged, 3 without a GPU. */
async function main(paths: string[]): Promise<number> {
  const gpu = await openGpu();
  let code = 0;
  for (const path of paths.length ? paths : await carriedFiles()) {
    try {
      for (const row of await checkFile(gpu, path)) {
        console.log(formatRow(path, row));
        if (!row.pass) code = Math.max(code, 1);
      }
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      console.error(error.message);
      code = 2;
    }
  }
  gpu.close();
  return code;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    process.exitCode = await main(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof GpuError)) throw error;
    console.error(error.message);
    process.exitCode = 3;
  }
}
