import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { releaseGaussians } from '../../stages/artefacts/gaussians.ts';
import { loadGaussians } from '../../stages/artefacts/gaussians-file.ts';
import { InputError } from '../../wgsl/core/index.ts';
import { hashFile } from '../hash.ts';
import { openDevice } from '../open-device.ts';
import { type GoldenOptions, inFolder, note, readPlan, runChain } from './chain.ts';
import { adapterDifferences, adapterName, chainRows, changes, frameRow, planChanges } from './judge.ts';
import { type Picture, pictureHash, readPicture } from './picture.ts';
import { GOLDEN, type Golden, goldenFolder, readGolden, versions } from './recording.ts';
import { renderView } from './render.ts';
import type { Checked, FramePair, Row } from './report.ts';

/** `out` keeps the run and must be new or empty; default: a temporary folder. */
export interface CheckOptions extends GoldenOptions {
  /** Judges as on another adapter. */
  asForeign?: boolean;
}

/**
 * Renders the committed splat, runs the chain without a store, and compares both with the recording. If the pipeline file changed,
 * nothing runs, and that is the only row of the report.
 * @throws InputError when there is no recording, or it is damaged.
 */
export async function checkGolden(file: string, options: CheckOptions = {}): Promise<Checked> {
  const start = performance.now();
  const { out, signal, onEvent } = options;
  const golden = await readGolden(file);
  const folder = goldenFolder(file);
  const recorded = await readPictures(golden, folder);
  if (out !== undefined && (await readdir(out).catch(() => [])).length)
    throw new InputError('is not empty; give a new or empty folder', out);
  const { plan, edits, notes } = await comparePlans(file, golden);
  const report = { file, notes, adapter: { recorded: adapterName(golden.adapter) } };
  if (edits.length) {
    const found = `the file changed: ${edits.join(', ')}; record again if this is intended`;
    const rows: Row[] = [{ kind: 'file', name: 'options', exact: false, within: false, found }];
    return { report: { ...report, mode: 'bytes', because: [], rows, seconds: 0 }, frames: [], chain: [] };
  }
  const gpu = await openDevice({ adapter: options.adapter });
  try {
    const view = { cameras: golden.frames.map(({ camera }) => camera), background: golden.background };
    const render = async (splat: string): Promise<FramePair[]> => {
      const gaussians = await loadGaussians(gpu, splat);
      const now = await renderView(gpu, gaussians, view);
      releaseGaussians(gaussians);
      return golden.frames.map(({ name }, i) => ({ name, before: recorded[i], after: now[i] }));
    };
    note('the committed splat through the golden cameras', options);
    const frames = await render(join(folder, GOLDEN.splat));
    note('the chain', options);
    const [now, chain] = await inFolder(out, async (folder) => {
      const result = await runChain(gpu, plan, {
        out: folder,
        signal,
        // A temporary folder is not announced as results.
        onEvent: (event) => (out !== undefined || event.event !== 'result') && onEvent?.(event),
      });
      return [result, await render(result.splat.file)];
    });
    const because = adapterDifferences(golden.adapter, gpu.adapter);
    if (options.asForeign) because.unshift('--as-foreign');
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

/** The present plan, its differences from the recorded one, and notes about what else differs from the recording. */
export async function comparePlans(file: string, golden: Golden) {
  const { set, cell, cwd: below } = golden;
  const cwd = resolve(dirname(file), below);
  const path = relative(cwd, resolve(file));
  const { plan, env } = await readPlan(path, { set, cell, cwd });
  const before = { versions: golden.versions, env: golden.env ?? env };
  const notes = changes(before, { versions: await versions(), env });
  const text = await readFile(join(goldenFolder(file), GOLDEN.pipeline), 'utf8').catch(() => undefined);
  if (text === undefined) return { plan, edits: [], notes };
  try {
    const recorded = await readPlan(path, { set, cell, cwd, text });
    return { plan, edits: planChanges(recorded.plan, plan), notes };
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const note = `changes of the file are unknown, as the recorded ${GOLDEN.pipeline} is no longer valid: ${error.message}`;
    return { plan, edits: [], notes: [note, ...notes] };
  }
}

/** Reads the committed pictures. @throws InputError where one of them, or the splat, is not the recorded one. */
async function readPictures(golden: Golden, folder: string): Promise<Picture[]> {
  const fix = 'restore it from git, or record again';
  const require = (path: string, found: string, expected: string) => {
    if (found !== expected) throw new InputError(`differs from the recording: ${fix}`, path);
  };
  const splat = join(folder, GOLDEN.splat);
  const { sha256 } = await hashFile(splat).catch((error: NodeJS.ErrnoException) => {
    throw new InputError(`cannot be read (${error.code}): ${fix}`, splat);
  });
  require(splat, sha256, golden.splat.sha256);
  const pictures: Picture[] = [];
  for (const { name, sha256 } of golden.frames) {
    const path = join(folder, GOLDEN.frames, `${name}.png`);
    const picture = await readPicture(path);
    require(path, pictureHash(picture), sha256);
    pictures.push(picture);
  }
  return pictures;
}
