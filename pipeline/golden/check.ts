import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { releaseGaussians } from '../../stages/artefacts/gaussians.ts';
import { loadGaussians } from '../../stages/artefacts/gaussians-file.ts';
import { stages } from '../../stages/index.ts';
import { type Gpu, InputError, openGpu } from '../../wgsl/core/index.ts';
import { readPipeline } from '../file/read.ts';
import type { RunEvent } from '../run/events.ts';
import { adapterDifferences, adapterName } from './adapter.ts';
import { runChain } from './chain.ts';
import { GOLDEN, goldenFolder, readGolden } from './folder.ts';
import type { Golden } from './format.ts';
import { chainRows, type FramePair, frameRow } from './judge.ts';
import { decodePicture, type Picture, pictureHash, readPicture } from './picture.ts';
import { renderPngs } from './render.ts';
import type { Report } from './report.ts';
import { inScratch } from './scratch.ts';
import { versions } from './versions.ts';

export interface CheckOptions {
  /** Takes the run; must be new or empty. Default: a folder that goes afterwards. */
  out?: string;
  /** As `openGpu` takes it. */
  adapter?: string;
  /** Aborted to stop. */
  signal?: AbortSignal;
  /** Judge as on another adapter, though this may be the one that recorded. */
  asForeign?: boolean;
  onEvent?(event: RunEvent): void;
  /** What is being done, in a few words. */
  say?(text: string): void;
}

export interface Checked {
  report: Report;
  /** The committed splat through the golden cameras. */
  frames: FramePair[];
  /** The splat that the chain made now, through the same cameras: for the eye, not for the verdict. */
  chain: FramePair[];
}

/**
 * Renders the committed splat, runs the chain afresh (nothing is taken from a store) and compares both with the recording.
 * @throws InputError when nothing was recorded, or what was recorded is damaged.
 */
export async function checkGolden(file: string, options: CheckOptions = {}): Promise<Checked> {
  const start = performance.now();
  const { out, signal, onEvent } = options;
  const say = (what: string) => {
    signal?.throwIfAborted();
    options.say?.(what);
  };
  const golden = await readGolden(file);
  const folder = goldenFolder(file);
  const recorded = await readRecorded(golden, folder);
  if (out !== undefined) await requireEmpty(out);
  const cwd = resolve(dirname(file), golden.cwd);
  const { set, cell } = golden;
  const plan = await readPipeline(relative(cwd, resolve(file)), { set, cell, cwd, registry: stages });
  const gpu = await openGpu({ adapter: options.adapter });
  try {
    say('the committed splat through the golden cameras');
    const frames = pairs(golden, recorded, await renderAll(gpu, golden, join(folder, GOLDEN.splat)));
    say('the chain');
    // What goes afterwards is not announced as results.
    const tell = (event: RunEvent) => {
      if (options.out !== undefined || event.event !== 'result') onEvent?.(event);
    };
    const checkChain = async (out: string) => {
      const now = await runChain(gpu, plan, { out, signal, onEvent: tell });
      return { now, pictures: await renderAll(gpu, golden, now.splat.file) };
    };
    const { now, pictures } = out === undefined ? await inScratch(checkChain) : await checkChain(out);
    const differences = adapterDifferences(golden.adapter, gpu.adapter);
    const because = options.asForeign
      ? ['asked to judge as on another adapter', ...differences]
      : differences;
    const report: Report = {
      file,
      mode: because.length ? 'tolerance' : 'bytes',
      because,
      notes: await versionNotes(golden),
      adapter: { recorded: adapterName(golden.adapter), now: adapterName(gpu.adapter) },
      tolerance: golden.tolerance,
      rows: [...frames.map((pair) => frameRow(pair, golden.tolerance)), ...chainRows(golden.chain, now)],
      seconds: (performance.now() - start) / 1000,
    };
    return { report, frames, chain: pairs(golden, recorded, pictures) };
  } finally {
    gpu.close();
  }
}

/** The committed pictures, known to be what was recorded. */
async function readRecorded(golden: Golden, folder: string): Promise<Picture[]> {
  const mend = 'it is not what was recorded: restore it from git, or record again';
  const splat = join(folder, GOLDEN.splat);
  const bytes = await readFile(splat).catch((error: NodeJS.ErrnoException) => {
    throw new InputError(`cannot be read (${error.code}): restore it from git, or record again`, splat);
  });
  if (createHash('sha256').update(bytes).digest('hex') !== golden.splat.sha256)
    throw new InputError(mend, splat);
  const pictures: Picture[] = [];
  for (const { name, sha256 } of golden.frames) {
    const path = join(folder, GOLDEN.frames, `${name}.png`);
    const picture = await readPicture(path);
    if (pictureHash(picture) !== sha256) throw new InputError(mend, path);
    pictures.push(picture);
  }
  return pictures;
}

async function renderAll(gpu: Gpu, { frames, background }: Golden, splat: string): Promise<Picture[]> {
  const gaussians = await loadGaussians(gpu, splat);
  try {
    const cameras = frames.map(({ camera }) => camera);
    return (await renderPngs(gpu, gaussians, cameras, background)).map(decodePicture);
  } finally {
    releaseGaussians(gaussians);
  }
}

function pairs({ frames }: Golden, before: readonly Picture[], after: readonly Picture[]): FramePair[] {
  return frames.map(({ name }, i) => ({ name, before: before[i], after: after[i] }));
}

/** Results of an earlier run must not be mistaken for this one's. */
async function requireEmpty(folder: string): Promise<void> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new InputError(`cannot be used (${error.code}); expected a new or empty folder`, folder);
  });
  if (names.length)
    throw new InputError('is not empty; a check runs afresh: name a new or empty folder', folder);
}

async function versionNotes({ versions: recorded }: Golden): Promise<string[]> {
  const now = await versions();
  return (Object.keys(recorded) as (keyof typeof recorded)[])
    .filter((name) => recorded[name] !== now[name])
    .map((name) => `recorded with ${name} ${recorded[name]}, now ${now[name]}`);
}
