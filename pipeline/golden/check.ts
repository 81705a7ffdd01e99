import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { stages } from '../../stages/index.ts';
import { InputError } from '../../wgsl/core/index.ts';
import { readPipeline } from '../file/read.ts';
import { hashFile } from '../hash.ts';
import { openDevice } from '../open-device.ts';
import type { RunOptions } from '../run/runner.ts';
import { renderView, runChain } from './chain.ts';
import { chainRows, changes, frameRow, planChanges } from './judge.ts';
import { type Picture, pictureHash, readPicture } from './picture.ts';
import { GOLDEN, type Golden, goldenFolder, readGolden, versions } from './recording.ts';
import type { Checked, FramePair, Row } from './report.ts';

export type CheckOptions = Pick<RunOptions, 'adapter' | 'signal' | 'onEvent'>;

/**
 * Renders the committed splat, runs the chain without a store, and compares both with the recording. If the pipeline file changed,
 * nothing runs, and that is the only row of the report.
 * @throws InputError when there is no recording, or it is damaged.
 */
export async function checkGolden(file: string, options: CheckOptions = {}): Promise<Checked> {
  const { adapter, signal, onEvent } = options;
  const golden = await readGolden(file);
  const folder = goldenFolder(file);
  const recorded = await readPictures(golden, folder);
  const { plan, edits, notes } = await comparePlans(file, golden);
  if (edits.length) {
    const found = `the file changed: ${edits.join(', ')}; record again if this is intended`;
    const rows: Row[] = [{ kind: 'file', name: 'options', exact: false, within: false, found }];
    return { file, mode: 'file', because: [], notes, rows, frames: [] };
  }
  const gpu = await openDevice({ adapter });
  const out = await mkdtemp(join(tmpdir(), 'splatline-golden-'));
  try {
    const view = { cameras: golden.frames.map(({ camera }) => camera), background: golden.background };
    const committed = await renderView(gpu, join(folder, GOLDEN.splat), view);
    const now = await runChain(gpu, plan, {
      out,
      signal,
      onEvent: (event) => event.event !== 'result' && onEvent?.(event),
    });
    const own = await renderView(gpu, now.splat.file, view);
    const frames: FramePair[] = golden.frames.map(({ name }, i) => {
      return { name, before: recorded[i], after: committed.pictures[i], ofThisRun: own.pictures[i] };
    });
    const because = changes(golden.adapter, gpu.adapter);
    return {
      file,
      mode: because.length ? 'tolerance' : 'bytes',
      because,
      notes,
      rows: [...frames.map((pair) => frameRow(pair, golden.tolerance)), ...chainRows(golden.chain, now)],
      frames,
    };
  } finally {
    gpu.close();
    await rm(out, { recursive: true, force: true });
  }
}

/** The present plan, its differences from the recorded one, and notes about what else differs from the recording. */
export async function comparePlans(file: string, golden: Golden) {
  const { set, cell, cwd: below } = golden;
  const cwd = resolve(dirname(file), below);
  const path = relative(cwd, resolve(file));
  const options = { set, cell, cwd, registry: stages };
  const plan = await readPipeline(path, options);
  const notes = changes(golden.versions, await versions());
  const recorded = await readFile(join(goldenFolder(file), GOLDEN.pipeline), 'utf8')
    .then((text) => readPipeline(path, { ...options, text }))
    .catch(() => undefined);
  if (!recorded)
    notes.push(
      `the recorded ${GOLDEN.pipeline} is missing, or not valid in this version: results alone decide`,
    );
  return { plan, edits: recorded ? planChanges(recorded, plan) : [], notes };
}

/** Reads the committed pictures. @throws InputError where one of them, or the splat, is not the recorded one. */
async function readPictures({ splat, frames }: Golden, folder: string): Promise<Picture[]> {
  const differs = (path: string) =>
    new InputError('differs from the recording: restore it from git, or record again', path);
  const path = join(folder, GOLDEN.splat);
  const found = await hashFile(path).catch(() => undefined); // perhaps it is missing
  if (found?.sha256 !== splat.sha256) throw differs(path);
  return Promise.all(
    frames.map(async ({ name, sha256 }) => {
      const path = join(folder, GOLDEN.frames, `${name}.png`);
      const picture = await readPicture(path);
      if (pictureHash(picture) !== sha256) throw differs(path);
      return picture;
    }),
  );
}
