import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** COLMAP rarely places a picture with fewer features. */
const FEW_FEATURES = 200;
/** Pictures that one sentence names. The log has all. */
const NAMED = 12;

/** What COLMAP found of one picture. */
export interface Extraction {
  features?: number;
  /** COLMAP's words about a picture that it could not use. */
  error?: string;
}

/** What became of the pictures. */
export interface Outcome {
  names: readonly string[];
  extractions: ReadonlyMap<string, Extraction>;
  /** The largest first; there may be none. */
  models: readonly SparseModel[];
  /** How the pictures were matched, and what they are. */
  matching: 'exhaustive' | 'sequential';
  source: 'photos' | 'video';
}

/** A picture without a camera, and the cause. */
interface Unregistered {
  name: string;
  reason: string;
}

/** The pictures that the largest model lacks. */
export function unregistered({ names, extractions, models }: Outcome): Unregistered[] {
  const [largest, ...others] = models;
  const registered = new Set(largest?.names);
  return names
    .filter((name) => !registered.has(name))
    .map((name) => {
      const { features, error } = extractions.get(name) ?? {};
      const other = others.find((model) => model.names.includes(name));
      let reason = 'too few matches with the others';
      if (error) reason = error;
      else if (other) reason = `in a separate model of ${other.names.length}`;
      else if (features !== undefined && features < FEW_FEATURES) reason = `only ${features} features`;
      return { name, reason };
    });
}

/** One sentence about the pictures that were left out, with the causes and what to try; undefined if there are none. */
export function leftOutSentence(outcome: Outcome): string | undefined {
  const rows = unregistered(outcome);
  if (!rows.length) return undefined;
  const named = rows.slice(0, NAMED).map(({ name, reason }) => `${name} (${reason})`);
  const more = rows.length > NAMED ? ` and ${rows.length - NAMED} more, listed in colmap.log` : '';
  return (
    `${rows.length} of ${outcome.names.length} pictures were not registered and are left out: ` +
    `${named.join(', ')}${more}. To register them, ${advice(outcome, rows)}`
  );
}

/** What to try, by the causes. */
export function advice({ matching, source }: Outcome, rows: readonly Unregistered[]): string {
  const has = (pattern: RegExp) => rows.some(({ reason }) => pattern.test(reason));
  const tips: string[] = [];
  if (has(/matches|separate/)) {
    if (matching === 'sequential') tips.push('set `matching: exhaustive` in the sfm stage');
    if (source === 'video') tips.push('take more `frames`');
    else tips.push('add photographs that overlap more, each point seen from three places');
  }
  if (has(/only/)) tips.push('use sharp, well-lit pictures of textured surfaces');
  return tips.join(', or ') || 'replace these files';
}

/** A model that COLMAP's mapper wrote, by the names of the pictures that it registered. */
export interface SparseModel {
  folder: string;
  names: string[];
}

/** The models below a folder, the one of the most pictures first; of equals, the one that the mapper wrote first. */
export async function modelsBelow(folder: string): Promise<SparseModel[]> {
  const numbers = (await readdir(folder)).filter((name) => /^\d+$/.test(name)).sort((a, b) => +a - +b);
  const models: SparseModel[] = [];
  for (const number of numbers) {
    const path = join(folder, number);
    const bytes = await readFile(join(path, 'images.bin')).catch(() => undefined);
    if (bytes) models.push({ folder: path, names: registeredIn(bytes) });
  }
  return models.sort((a, b) => b.names.length - a.names.length);
}

/** Bytes of an image before its name (id, pose, camera) and of one of its points. */
const BEFORE_NAME = 4 + 7 * 8 + 4;
const POINT_BYTES = 2 * 8 + 8;

/** The names in COLMAP's `images.bin`. */
function registeredIn(bytes: Buffer): string[] {
  const names: string[] = [];
  let at = 8;
  for (let left = Number(bytes.readBigUInt64LE(0)); left > 0; left--) {
    const end = bytes.indexOf(0, at + BEFORE_NAME);
    names.push(bytes.toString('utf8', at + BEFORE_NAME, end));
    at = end + 1 + 8 + POINT_BYTES * Number(bytes.readBigUInt64LE(end + 1));
  }
  return names;
}
