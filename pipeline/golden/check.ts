import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { stages } from '../../stages/index.ts';
import { InputError } from '../../wgsl/core/index.ts';
import { readPipeline } from '../file/read.ts';
import { openDevice } from '../open-device.ts';
import { type ChainOptions, inScratch, runChain } from './chain.ts';
import { GOLDEN, type Golden, goldenFolder, readGolden, versions } from './format.ts';
import { adapterDifferences, adapterName, chainRows, changes, frameRow, planChanges } from './judge.ts';
import { type Picture, pictureHash, readPicture } from './picture.ts';
import { renderView } from './render.ts';
import type { Checked, FramePair, Row } from './report.ts';

/** `out` keeps the run and must be new or empty; default: a temporary folder. */
export interface CheckOptions extends Omit<ChainOptions, 'store'> {
  /** Judges as on another adapter. */
  asForeign?: boolean;
}

/**
 * Renders the committed splat, runs the chain afresh (without a store) and compares both with the recording. Runs nothing where
 * the pipeline file changed: that is the one row of the report.
 * @throws InputError when there is no recording, or it is damaged.
 */
export async function checkGolden(file: string, options: CheckOptions = {}): Promise<Checked> {
  const start = performance.now();
  const { out, signal, onEvent } = options;
  const golden = await readGolden(file);
  const folder = goldenFolder(file);
  const recorded = await readRecorded(golden, folder);
  if (out !== undefined) await requireEmpty(out);
  const { plan, edits, notes } = await readPlans(file, golden);
  const report = {
    file,
    notes: [...notes, ...changes(golden.versions, await versions(), ['versions'])],
    adapter: { recorded: adapterName(golden.adapter) },
  };
  if (edits.length) {
    const found = `the file changed: ${edits.join(', ')}; record again if that is meant`;
    const rows: Row[] = [{ kind: 'file', name: 'options', exact: false, within: false, found }];
    return { report: { ...report, mode: 'bytes', because: [], rows, seconds: 0 }, frames: [], chain: [] };
  }
  const gpu = await openDevice({ adapter: options.adapter });
  try {
    const render = async (splat: string): Promise<FramePair[]> => {
      const cameras = golden.frames.map(({ camera }) => camera);
      const now = await renderView(gpu, { splat, cameras, background: golden.background });
      return golden.frames.map(({ name }, i) => ({ name, before: recorded[i], after: now[i] }));
    };
    options.say?.('the committed splat through the golden cameras');
    const frames = await render(join(folder, GOLDEN.splat));
    options.say?.('the chain');
    const run = async (out: string) => {
      const now = await runChain(gpu, plan, {
        out,
        signal,
        // A temporary folder is not announced as results.
        onEvent: (event) => (options.out !== undefined || event.event !== 'result') && onEvent?.(event),
      });
      return { now, chain: await render(now.splat.file) };
    };
    const { now, chain } = out === undefined ? await inScratch(run) : await run(out);
    const differences = adapterDifferences(golden.adapter, gpu.adapter);
    const because = options.asForeign ? ['--as-foreign', ...differences] : differences;
    return {
      report: {
        ...report,
        mode: because.length ? 'tolerance' : 'bytes',
        because,
        adapter: { ...report.adapter, now: adapterName(gpu.adapter) },
        rows: [...frames.map((pair) => frameRow(pair, golden.tolerance)), ...chainRows(golden.chain, now)],
        seconds: (performance.now() - start) / 1000,
      },
      frames,
      chain,
    };
  } finally {
    gpu.close();
  }
}

/** The present plan, its differences from the recorded one, and notes. */
async function readPlans(file: string, { set, cell, cwd: below }: Golden) {
  const cwd = resolve(dirname(file), below);
  const options = { set, cell, cwd, registry: stages };
  const path = relative(cwd, resolve(file));
  const plan = await readPipeline(path, options);
  const text = await readFile(join(goldenFolder(file), GOLDEN.pipeline), 'utf8').catch(() => undefined);
  if (text === undefined) return { plan, edits: [], notes: [] };
  try {
    return { plan, edits: planChanges(await readPipeline(path, { ...options, text }), plan), notes: [] };
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const note = `changes of the file are unknown, as the recorded ${GOLDEN.pipeline} is no longer valid: ${error.message}`;
    return { plan, edits: [], notes: [note] };
  }
}

/** Reads the committed pictures. @throws InputError where a file is not the recorded one. */
async function readRecorded(golden: Golden, folder: string): Promise<Picture[]> {
  const fix = 'restore it from git, or record again';
  const splat = join(folder, GOLDEN.splat);
  const bytes = await readFile(splat).catch((error: NodeJS.ErrnoException) => {
    throw new InputError(`cannot be read (${error.code}): ${fix}`, splat);
  });
  if (createHash('sha256').update(bytes).digest('hex') !== golden.splat.sha256)
    throw new InputError(`differs from the recording: ${fix}`, splat);
  const pictures: Picture[] = [];
  for (const { name, sha256 } of golden.frames) {
    const path = join(folder, GOLDEN.frames, `${name}.png`);
    const picture = await readPicture(path);
    if (pictureHash(picture) !== sha256) throw new InputError(`differs from the recording: ${fix}`, path);
    pictures.push(picture);
  }
  return pictures;
}

/** Refuses a folder with results of an earlier run. */
async function requireEmpty(folder: string): Promise<void> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new InputError(`cannot be used (${error.code}); expected a new or empty folder`, folder);
  });
  if (names.length)
    throw new InputError('is not empty; a check runs afresh: name a new or empty folder', folder);
}
