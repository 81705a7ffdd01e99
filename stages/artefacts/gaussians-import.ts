import { InputError } from '../../wgsl/core/index.ts';
import { readSpz } from './compact-splat-check.ts';
import { withFileBytes } from './file-bytes.ts';
import { emptyGaussians, type HostGaussians, parameterWidths } from './gaussians.ts';
import { SPLAT_PROPERTIES } from './ply-header.ts';
import { readSogArchive } from './sog-check.ts';
import { checkSplatFile } from './splat-file-check.ts';
import { readAntialias } from './splat-model.ts';
import {
  type DataTable,
  openSource,
  type ReadSource,
  type SplatTransform,
  splatTransform,
} from './splat-transform.ts';

export interface ImportedGaussians {
  gaussians: HostGaussians;
  /** The number of Gaussians that were skipped, by fault, in the order of the file. */
  skipped: ReadonlyMap<string, number>;
  /** The number of skipped Gaussians; one may have several faults. */
  skippedCount: number;
  /** Infinite opacity logits, which are clamped (some editors write ∞ for "opaque"). */
  clampedOpacities: number;
}

/** Beyond these limits exp, squares and products of f32 overflow on the GPU. */
const LIMITS: readonly (readonly [pattern: RegExp, limit: number])[] = [
  [/^[xyz]$/, 1e9],
  [/^scale_/, 20],
  [/^rot_/, 1e9],
  [/^f_/, 1e6],
];
const SHORTEST_QUAT = 1e-9;
const OPAQUE_LOGIT = 16; // 1 − 1e-7: f32 has no value between this and 1

/**
 * Reads a splat from a file: 3DGS's .ply of SH degree 0–3 (see `readPlyHeader`), or one of the compact formats of
 * `SPLAT_FILES`. Skips and counts Gaussians with values that are not finite or out of range, and those with a zero
 * quaternion. @throws InputError when the file is damaged or no Gaussian is left.
 */
export async function importGaussians(path: string): Promise<ImportedGaussians> {
  await checkSplatFile(path);
  const library = await splatTransform();
  const lower = path.toLowerCase();
  // The library neither checks archives nor bounds what they expand to.
  if (lower.endsWith('.sog')) {
    return readSplat(path, 'meta.json', openMemory(library, await withFileBytes(path, readSogArchive)));
  }
  if (lower.endsWith('.spz')) {
    const contents = await withFileBytes(path, readSpz);
    return readSplat(path, path, openMemory(library, new Map([[path, contents]])));
  }
  return readSplat(path, path, (name) => openSource(library, name));
}

/** Reads a splat from the bytes of a file called `name`, as `importGaussians`. */
export async function parseGaussians(bytes: Uint8Array, name: string): Promise<ImportedGaussians> {
  return readSplat(name, name, openMemory(await splatTransform(), new Map([[name, bytes]])));
}

type OpenSource = (name: string) => Promise<ReadSource>;

function openMemory(library: SplatTransform, contents: ReadonlyMap<string, Uint8Array>): OpenSource {
  const files = new library.MemoryReadFileSystem();
  for (const [name, bytes] of contents) files.set(name, bytes);
  return (name) => files.createSource(name);
}

/** `filename`: the name by which `open` opens the file. */
async function readSplat(path: string, filename: string, open: OpenSource): Promise<ImportedGaussians> {
  const { table, antialias } = await readTable(path, filename, open);
  const imported = cleanTable(table, path);
  return { ...imported, gaussians: { ...imported.gaussians, ...(antialias && { antialias }) } };
}

async function readTable(
  path: string,
  filename: string,
  open: OpenSource,
): Promise<{ table: DataTable; antialias: boolean }> {
  const library = await splatTransform();
  const sources = new Set<ReadSource>();
  const createSource = async (name: string) => {
    const source = await open(name);
    sources.add(source);
    return source;
  };
  try {
    const read = () =>
      library.readFile({
        filename,
        inputFormat: library.getInputFormat(filename),
        params: [],
        options: {
          iterations: 0,
          lodSelect: [],
          unbundled: false,
          lodChunkCount: 0,
          lodChunkExtent: 0,
        },
        fileSystem: { createSource },
      });
    const [table] = await (path.toLowerCase().endsWith('.spz') ? silently(read) : read());
    if (!table?.numRows) throw new Error('it contains no Gaussians');
    const missing = SPLAT_PROPERTIES.filter((name) => !table.hasColumn(name));
    if (missing.length) throw new Error(`it has no ${missing.join(', ')}`);
    return { table, antialias: await readAntialias(library, filename, await createSource(filename)) };
  } catch (error) {
    if (error instanceof InputError) throw error;
    const [found] = String((error as Error).message ?? error).split('\n');
    throw new InputError(`cannot be read as a splat (${found}); it is damaged: copy it again`, path);
  } finally {
    for (const source of sources) source.close();
  }
}

let isSilent = false;

/** The decoder of SPZ prints what it reads, with the `console.log` that it finds at its first use. */
async function silently<Result>(firstUse: () => Promise<Result>): Promise<Result> {
  if (isSilent) return firstUse();
  isSilent = true;
  const { log } = console;
  console.log = () => {};
  try {
    return await firstUse();
  } finally {
    console.log = log;
  }
}

/** Converts columns to tensors, without the faulty Gaussians. */
function cleanTable(table: DataTable, path: string): ImportedGaussians {
  const rest = table.columnNames.filter((name) => /^f_rest_\d+$/.test(name)).length;
  const shDegree = ([0, 1, 2, 3] as const).find((degree) => 3 * ((degree + 1) ** 2 - 1) === rest);
  if (shDegree === undefined)
    throw new InputError(`has ${rest} SH coefficients; expected 0, 9, 24 or 45`, path);
  const restNames = Array.from({ length: rest }, (_, i) => `f_rest_${i}`);
  const columns = new Map(
    [...SPLAT_PROPERTIES, ...restNames].map((name) => [
      name,
      Float32Array.from(table.getColumnByName(name)!.data),
    ]),
  );
  const clampedOpacities = clampInfinite(columns.get('opacity')!);
  const faults = findFaults(columns, table.numRows);
  const valid: number[] = [];
  for (let i = 0; i < table.numRows; i++) if (!faults.bad[i]) valid.push(i);
  if (!valid.length) {
    throw new InputError(
      `has no Gaussian with finite values (${table.numRows} read; ${describeFaults(faults.counts)})`,
      path,
    );
  }
  return {
    gaussians: gather(columns, valid, shDegree),
    skipped: faults.counts,
    skippedCount: table.numRows - valid.length,
    clampedOpacities,
  };
}

/** `12 in x, 3 zero-length quaternions`. */
export function describeFaults(counts: ReadonlyMap<string, number>): string {
  return [...counts].map(([what, count]) => `${count} ${what}`).join(', ');
}

function clampInfinite(opacities: Float32Array): number {
  let clamped = 0;
  for (let i = 0; i < opacities.length; i++) {
    if (Math.abs(opacities[i]) !== Number.POSITIVE_INFINITY) continue;
    opacities[i] = Math.sign(opacities[i]) * OPAQUE_LOGIT;
    clamped++;
  }
  return clamped;
}

function findFaults(columns: ReadonlyMap<string, Float32Array>, rows: number) {
  const bad = new Uint8Array(rows);
  const counts = new Map<string, number>();
  const fault = (row: number, what: string) => {
    bad[row] = 1;
    counts.set(what, (counts.get(what) ?? 0) + 1);
  };
  for (const [name, values] of columns) {
    const limit = LIMITS.find(([pattern]) => pattern.test(name))?.[1] ?? Number.MAX_VALUE;
    for (let i = 0; i < rows; i++) {
      const value = values[i];
      if (!Number.isFinite(value)) fault(i, `not finite in ${name}`);
      // Small scales are harmless; only large logarithms overflow.
      else if ((name.startsWith('scale_') ? value : Math.abs(value)) > limit)
        fault(i, `beyond ${limit} in ${name}`);
    }
  }
  const quats = [0, 1, 2, 3].map((k) => columns.get(`rot_${k}`)!);
  for (let i = 0; i < rows; i++) {
    const length = Math.hypot(quats[0][i], quats[1][i], quats[2][i], quats[3][i]);
    if (length < SHORTEST_QUAT) fault(i, 'zero-length quaternions');
  }
  return { bad, counts };
}

function gather(
  columns: ReadonlyMap<string, Float32Array>,
  rows: readonly number[],
  shDegree: HostGaussians['shDegree'],
): HostGaussians {
  const host = emptyGaussians(rows.length, shDegree);
  const put = (tensor: Float32Array, width: number, at: number, name: string) => {
    const values = columns.get(name)!;
    rows.forEach((row, i) => {
      tensor[i * width + at] = values[row];
    });
  };
  const bands = (shDegree + 1) ** 2;
  for (let c = 0; c < 3; c++) {
    put(host.means, 3, c, 'xyz'[c]);
    put(host.logScales, 3, c, `scale_${c}`);
    put(host.sh, 3 * bands, c, `f_dc_${c}`);
    // The file orders f_rest by channel, the tensor by coefficient.
    for (let k = 1; k < bands; k++) put(host.sh, 3 * bands, 3 * k + c, `f_rest_${c * (bands - 1) + k - 1}`);
  }
  for (let k = 0; k < 4; k++) put(host.quats, parameterWidths(shDegree).quats, k, `rot_${k}`);
  put(host.opacityLogits, 1, 0, 'opacity');
  return host;
}
