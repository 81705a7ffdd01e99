/**
 * The command line as one JavaScript file, made once for each state of the sources: translating and linking hundreds of
 * modules at every start takes longer than finding that all work is saved. A state is told by the contents of its files, so
 * that an edit counts at the next start. Each has a folder of its own below `node_modules/.cache/splatline/`, complete or
 * absent. `NODE_DEBUG=splatline` says why one is not used.
 */
import { createHash, randomUUID } from 'node:crypto';
import { readdirSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { debuglog } from 'node:util';
import { Script } from 'node:vm';
import { mapTraces } from './traces.mjs';

const PACKAGE = fileURLToPath(new URL('../', import.meta.url));
const ROOMS = ['pipeline', 'stages', 'wgsl'];
const CACHE = join(PACKAGE, 'node_modules', '.cache', 'splatline');
const CODE = 'main.cjs';
const MAP = 'main.cjs.map';
/** Ends the code: a file that was cut short lacks it. */
const END = '\n// complete\n';
/** A process that runs an earlier state may still ask for its source map: those started within so many hours stay. */
const KEPT_HOURS = 1;
/** npm packages that are small, needed at every start and plain JavaScript; the others are imported from where they lie. */
const INLINED = ['commander', 'fastest-levenshtein', 'yaml', 'zod', 'zx'];

const debug = debuglog('splatline');

/**
 * The command line: compiled, or the sources themselves through tsx where it cannot be, as in a folder that is read-only.
 *
 * @param {readonly string[]} args What V8 has compiled is kept for each command.
 * @returns {Promise<{main(args: readonly string[]): Promise<void>}>}
 */
export async function loadCommandLine(args) {
  try {
    const sources = readSources();
    const folder = join(CACHE, stateOf(sources));
    const code = readCode(folder) ?? (await make(folder, sources));
    try {
      return evaluate(folder, code, /^[a-z]+$/.test(args[0]) ? args[0] : 'none');
    } catch (error) {
      await rm(folder, { recursive: true, force: true }); // the next start makes it anew
      throw error;
    }
  } catch (error) {
    debug('the sources are used as they are: %O', error);
    await import('./typescript.mjs');
    return import('./cli/main.ts');
  }
}

/** What the command line may be made of, by path. Without waiting: hundreds of small files are read several times faster so. */
function readSources() {
  const sources = new Map();
  for (const room of ROOMS) {
    for (const name of readdirSync(join(PACKAGE, room), { recursive: true }).sort()) {
      if (!/\.(ts|mjs)$/.test(name)) continue;
      const path = join(PACKAGE, room, name);
      sources.set(path, readFileSync(path));
    }
  }
  return sources;
}

/** Paths count, as modules carry their URLs; so do the versions of what takes part. */
function stateOf(sources) {
  const hash = createHash('sha256').update(`${process.version}\n`);
  for (const name of ['esbuild', ...INLINED]) hash.update(`${name}\n`).update(manifestOf(name));
  for (const [path, bytes] of sources) hash.update(`${path}\n${bytes.length}\n`).update(bytes);
  return hash.digest('hex').slice(0, 32);
}

/** A package's package.json, where Node looks for it: in `node_modules` here, then in those of the folders above. */
function manifestOf(name, folder = PACKAGE) {
  try {
    return readFileSync(join(folder, 'node_modules', name, 'package.json'));
  } catch (error) {
    const above = dirname(folder);
    if (above === folder) throw error;
    return manifestOf(name, above);
  }
}

function readCode(folder) {
  try {
    const code = readFileSync(join(folder, CODE), 'latin1'); // it is ASCII
    return code.endsWith(END) ? code : undefined;
  } catch {
    return undefined;
  }
}

/** Another process may make the same: the first to be complete stays. Gives the code. */
async function make(folder, sources) {
  const aside = `${folder}.${randomUUID()}`;
  await mkdir(aside, { recursive: true }); // before the work: where it cannot be written, none is done
  try {
    const { bundle } = await import('./bundle.mjs');
    const entry = join(PACKAGE, 'pipeline', 'cli', 'main.ts');
    const { code, map } = await bundle({ entry, sources, inlined: INLINED, folder });
    writeFileSync(join(aside, MAP), map);
    writeFileSync(join(aside, CODE), code + END);
    if (readCode(folder) === undefined) await rm(folder, { recursive: true, force: true });
    await rename(aside, folder).catch((error) => {
      if (readCode(folder) === undefined) throw error;
    });
    await removeOld(folder).catch((error) => debug('%O', error));
    return code + END;
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

/** Earlier states, and what processes that were killed have left. */
async function removeOld(current) {
  const oldest = Date.now() - KEPT_HOURS * 3_600_000;
  for (const name of await readdir(CACHE)) {
    const path = join(CACHE, name);
    if (path === current) continue;
    const info = await stat(path).catch(() => undefined);
    if (info && info.mtimeMs < oldest) await rm(path, { recursive: true, force: true });
  }
}

/** Runs the code; what V8 makes of it is kept when the process ends, for the next start of the same command. */
function evaluate(folder, code, command) {
  const filename = join(folder, CODE);
  const kept = join(folder, `${command}.v8`);
  const cachedData = readChecked(kept);
  // The code begins on the second line: the source map knows nothing of the first.
  const script = new Script(`(function (require, module, importLate) {\n${code}\n})`, {
    filename,
    cachedData,
  });
  mapTraces(filename, join(folder, MAP), 1);
  const module = { exports: {} };
  script.runInThisContext()(createRequire(import.meta.url), module, (name) => import(name));
  touch(folder);
  if (!cachedData) {
    process.once('exit', (exitCode) => {
      if (exitCode === 0) writeChecked(kept, script.createCachedData());
    });
  }
  return module.exports;
}

/** With its sha256 in front: V8 does not look whether what it kept is whole. */
function readChecked(path) {
  try {
    const bytes = readFileSync(path);
    const data = bytes.subarray(32);
    return createHash('sha256').update(data).digest().equals(bytes.subarray(0, 32)) ? data : undefined;
  } catch {
    return undefined;
  }
}

function writeChecked(path, data) {
  const aside = `${path}.${randomUUID()}`;
  try {
    writeFileSync(aside, Buffer.concat([createHash('sha256').update(data).digest(), data]));
    renameSync(aside, path);
  } catch (error) {
    debug('%O', error); // the next start compiles again
    rmSync(aside, { force: true });
  }
}

function touch(folder) {
  const now = new Date();
  try {
    utimesSync(folder, now, now);
  } catch (error) {
    debug('%O', error); // another user's, whose own starts count
  }
}
