/**
 * The process that reads the changed files, one case after another, in itself: `child.ts SEED FOLDER`. Its parent sends the number of
 * a case and receives the outcome; it kills a child that hangs.
 */
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { splatTransform } from '../../stages/artefacts/splat-transform.ts';
import { InputError } from '../../wgsl/core/index.ts';
import { put } from '../helpers/scratch.ts';
import { changedCase, TARGETS, targetOf } from './cases.ts';
import type { Outcome } from './fuzz.ts';

const [seed, root] = [Number(process.argv[2]), process.argv[3]];
const MEGABYTE = 2 ** 20;

let late: unknown;
process.on('uncaughtException', (error) => (late = error));
process.on('unhandledRejection', (error) => (late = error));

process.on('message', async (index: number) => {
  const outcome = await run(index);
  process.send!(outcome);
});
// Importing it takes seconds, which belong to no case.
await splatTransform();
process.send!(TARGETS.length);

async function run(index: number): Promise<Outcome> {
  const target = targetOf(index);
  const folder = join(root, 'case');
  rmSync(folder, { recursive: true, force: true });
  const { files, changed } = await changedCase(seed, index);
  for (const [name, contents] of Object.entries(files)) put(folder, name, contents);
  const before = listing(folder);
  const memory = new PeakMemory();
  const start = performance.now();
  late = undefined;
  let error: unknown;
  try {
    await target.read(folder);
  } catch (thrown) {
    error = thrown;
  }
  const milliseconds = performance.now() - start;
  const megabytes = memory.peak();
  await new Promise((resolve) => setImmediate(resolve));
  const outcome = {
    index,
    target: target.name,
    milliseconds,
    megabytes,
    fault: undefined as string | undefined,
  };
  const message = error instanceof Error ? error.message : String(error ?? '');
  const fault = (what: string): Outcome => ({
    ...outcome,
    verdict: 'fault',
    fault: `${what}: ${changed}`,
    message: error instanceof InputError ? message : error instanceof Error ? error.stack : message,
  });
  if (late) return { ...fault(`failed later: ${late instanceof Error ? late.stack : late}`) };
  if (listing(folder) !== before) return fault('wrote into the folder of its input');
  if (megabytes > allowed(files)) return fault(`took ${megabytes.toFixed(0)} MB`);
  if (!error) return { ...outcome, verdict: 'loaded', message: '' };
  const wrong = faultOf(error, folder);
  return wrong ? fault(wrong) : { ...outcome, verdict: 'refused', message };
}

/** Twice the file, and what a decoder and the garbage collector take for a small one. */
function allowed(files: Record<string, Uint8Array | string>): number {
  const bytes = Object.values(files).reduce((sum, { length }) => sum + length, 0);
  return (2 * bytes) / MEGABYTE + 128;
}

/** What a reader lets through from its inside. */
const INSIDE =
  /undefined|\bNaN\b.*(index|length)|is not a function|not iterable|Cannot read|Cannot convert|is not a constructor|call stack|Invalid (typed )?array length|allocation failed|out of memory|bounds of the DataView|offset is out of bounds|RangeError|TypeError|\[object|start offset of|byte length of|ENOENT:|Invalid string length|reading '/;

/** Why an error is not the one sentence that a user needs. */
function faultOf(error: unknown, folder: string): string | undefined {
  if (!(error instanceof InputError)) return 'another error than InputError';
  const { message, place } = error;
  // A pipeline file has all its mistakes, one a line, each with its place.
  const lines = message.split('\n');
  if (lines.length > 1 && !lines.every((line) => /\.yaml:\d+:\d+: /.test(line)))
    return 'the error has several lines';
  if (lines.some(({ length }) => length > 1200)) return `the error has ${message.length} characters`;
  if (!place?.file && !message.includes(folder)) return 'the error has no file';
  const inside = INSIDE.exec(message);
  return inside ? `the error speaks of "${inside[0]}"` : undefined;
}

function listing(folder: string): string {
  const items = readdirSync(folder, { recursive: true, withFileTypes: true });
  const about = items.map((item) => {
    const path = join(item.parentPath ?? item.path, item.name);
    const { size, mtimeMs } = statSync(path);
    return `${relative(folder, path)} ${item.isFile() ? `${size} ${mtimeMs}` : ''}`;
  });
  return about.sort().join('\n');
}

/** How far the resident memory rose, in MB. Zero where the system does not say it. */
class PeakMemory {
  readonly #before: number;

  constructor() {
    try {
      writeFileSync('/proc/self/clear_refs', '5'); // the peak starts again
    } catch {}
    this.#before = this.#read('VmRSS');
  }

  peak(): number {
    return (this.#read('VmHWM') - this.#before) / 1024;
  }

  #read(name: string): number {
    try {
      return Number(
        new RegExp(`${name}:\\s+(\\d+)`).exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? 0,
      );
    } catch {
      return 0;
    }
  }
}
