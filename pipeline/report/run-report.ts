import { open, readFile, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import * as z from 'zod';
import { HELD_OUT_FILE, heldOutSchema } from '../../stages/artefacts/held-out-views.ts';
import { checkJson, parseJson, readJson } from '../../stages/artefacts/json.ts';
import type { Score } from '../../stages/artefacts/scores.ts';
import { stages as registry } from '../../stages/index.ts';
import { METRICS } from '../../stages/score/metrics/index.ts';
import type { Metric } from '../../stages/score/metrics/metric.ts';
import { statusOf } from '../run/live-log.ts';
import { type Manifest, readManifest, type StageRow } from '../run/manifest.ts';
import { METRICS_FILE } from '../run/metrics-log.ts';
import { MANIFEST, STAGES } from '../run/run-folder.ts';
import { codeOf } from '../store/disk.ts';
import type {
  CurveData,
  Facts,
  HeldOutData,
  HeldOutRender,
  RunReport,
  ScoreData,
  StageData,
  Turntable,
} from './data.ts';
import { changedOptions } from './options.ts';
import { differenceOf, readPictureFile, readTurntable, readVideo } from './pictures.ts';

export interface RunReportOptions {
  /** Includes the viewer of the splat, which takes seconds. */
  viewer?: boolean;
}

/**
 * Reads everything that the report of a run shows from the run's folder.
 * @throws InputError without a valid run.json, or when there is nothing for a viewer.
 */
export async function readRun(path: string, options: RunReportOptions = {}): Promise<RunReport> {
  const { folder, manifest } = await readManifest(path);
  const { name, error, stages, command, cwd, files } = manifest;
  const status = statusOf(folder, manifest);
  const rows = stages.map((stage) => stageOf(stage, manifest));
  const { mtime } = await stat(join(folder, MANIFEST));
  const turntable = await turntableOf(folder, manifest);
  return {
    kind: 'run',
    ...{ name, status, error, command, cwd },
    seconds: rows.reduce((sum, { seconds }) => sum + seconds, 0),
    made: mtime.toISOString(),
    prompt: promptOf(manifest),
    gaussians: await gaussiansOf(folder, manifest),
    video: await videoOf(folder, manifest, turntable),
    turntable,
    viewer: await viewerOf(folder, manifest, options),
    scores: scoresOf(manifest.scores ?? []),
    heldOut: await heldOutOf(folder, manifest),
    curves: await curvesOf(folder, stages),
    stages: rows,
    otherTransfers: otherTransfers(manifest),
    machine: machineOf(manifest),
    versions: versionsOf(manifest),
    files: files.map(({ path, bytes, sha256 }) => ({ path, bytes, sha256 })),
  };
}

/** The prompt of the last stage that has one. */
export function promptOf({ stages }: Manifest): string | undefined {
  const prompts = stages.map(({ options }) => {
    const { prompt, clip } = options as { prompt?: unknown; clip?: { prompt?: unknown } };
    return prompt ?? clip?.prompt;
  });
  const last = prompts.findLast((prompt) => prompt !== undefined);
  return last === undefined || typeof last === 'string' ? last : JSON.stringify(last);
}

/** The turntable of the last orbit stage, if the run has reached it. */
export async function turntableOf(folder: string, { stages }: Manifest): Promise<Turntable | undefined> {
  const orbit = stages.findLast(({ parts }) => parts.frames);
  return orbit && orUndefined(readTurntable(join(folder, STAGES, orbit.id, 'frames')));
}

/** The result, or undefined where a file is missing: that of a stage which the run has not reached, or of an older version. */
async function orUndefined<T>(work: Promise<T>): Promise<T | undefined> {
  return work.catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT' || /ENOENT/.test(String(error))) return undefined;
    throw error;
  });
}

async function videoOf(
  folder: string,
  { files }: Manifest,
  turntable: Turntable | undefined,
): Promise<RunReport['video']> {
  const video = files.find(({ path }) => path === 'turntable.mp4');
  const src = video && (await orUndefined(readVideo(folder, video.path)));
  if (!src) return undefined;
  const poster = turntable && { ...turntable, src: turntable.frames[0] };
  return { src, poster: poster && { src: poster.src, width: poster.width, height: poster.height } };
}

async function viewerOf(
  folder: string,
  manifest: Manifest,
  { viewer = false }: RunReportOptions,
): Promise<RunReport['viewer']> {
  if (viewer) {
    const { readSplatViewer } = await import('./viewer.ts');
    return readSplatViewer(folder, manifest);
  }
  const isShowable =
    manifest.files.some(({ path }) => path === 'splat.ply') &&
    manifest.stages.some(({ parts }) => parts.frames);
  return isShowable ? `npx splatline report ${relative(manifest.cwd, folder) || '.'} --viewer` : undefined;
}

/** Scores with those before restyling beside them. Judges' and shares have no sentence. */
function scoresOf(scores: readonly Score[]): ScoreData[] {
  const metrics: Readonly<Record<string, Metric>> = METRICS;
  const isBefore = (name: string) => name.endsWith('.before');
  return scores
    .filter(({ name }) => !isBefore(name))
    .map((score) => ({
      ...score,
      before: scores.find(({ name }) => name === `${score.name}.before`)?.value,
      meaning: metrics[score.name]?.meaning,
    }));
}

/** The held-out views, the worst first; before restyling, where there is one, decides. */
async function heldOutOf(folder: string, { stages }: Manifest): Promise<HeldOutData[]> {
  const score = stages.findLast(({ stage }) => stage === 'score');
  const records = join(folder, STAGES, score?.id ?? '');
  const path = join(records, HELD_OUT_FILE);
  const views = await orUndefined(readJson(path).then((json) => checkJson(path, heldOutSchema, json)));
  const rows: HeldOutData[] = [];
  for (const { name, photograph, now, before } of views ?? []) {
    const side = async ({ render, psnr, ssim }: typeof now): Promise<HeldOutRender> => ({
      ...{ psnr, ssim },
      render: await readPictureFile(join(records, render), 'image/webp'),
      ...(await differenceOf(join(records, photograph), join(records, render))),
    });
    rows.push({
      name,
      photograph: await readPictureFile(join(records, photograph), 'image/webp'),
      now: await side(now),
      before: before && (await side(before)),
    });
  }
  const quality = ({ now, before = now }: HeldOutData) => before.psnr ?? Number.POSITIVE_INFINITY;
  return rows.sort((a, b) => quality(a) - quality(b));
}

/** A line of the log of a stage. */
const metricsSchema = z.record(z.string(), z.number()).and(z.object({ step: z.number() }));

async function curvesOf(folder: string, stages: readonly StageRow[]): Promise<CurveData[]> {
  const curves: CurveData[] = [];
  for (const { id } of stages) {
    const lines = await metricsOf(folder, id);
    if (lines.length) curves.push(curveOf(id, lines, join(folder, STAGES, id, METRICS_FILE)));
  }
  return curves;
}

/** The lines of a finished stage's `metrics.jsonl`; none without one. */
export async function metricsOf(folder: string, stage: string): Promise<string[]> {
  const text = await orUndefined(readFile(join(folder, STAGES, stage, METRICS_FILE), 'utf8'));
  return text ? text.trim().split('\n') : [];
}

/** The curves of a stage from the lines of its `metrics.jsonl`. @throws InputError with the line of `file` that is damaged. */
export function curveOf(stage: string, lines: readonly string[], file = METRICS_FILE): CurveData {
  const rows = lines.map((line, i) =>
    checkJson(`${file}:${i + 1}`, metricsSchema, parseJson(line, file, i + 1)),
  );
  const names = new Set(rows.flatMap((row) => Object.keys(row)).filter((name) => name !== 'step'));
  const series = [...names].map((name) => ({ name, values: rows.map((row) => row[name] ?? null) }));
  return { stage, steps: rows.map(({ step }) => step), series };
}

function stageOf(row: StageRow, { stages, ledger, cwd, status, endedIn }: Manifest): StageData {
  const { id, stage, resolvedBy, why, seconds, madeIn, peakBytes, options, seed, key, identity } = row;
  const known = registry.find(({ name }) => name === stage);
  const idOf = (key: string) => stages.find((other) => other.key === key)?.id;
  const isSource = !Object.keys(identity.inputs).length;
  const usual = resolvedBy === 'unused' && status !== 'done' && !isSource ? 'not reached' : resolvedBy;
  return {
    ...{ id, stage, why, peakBytes, seed, key },
    summary: known?.summary ?? '',
    state: id === endedIn && (status === 'failed' || status === 'stopped') ? status : usual,
    seconds: seconds || (madeIn ?? 0),
    inputs: Object.entries(identity.inputs).map(([artefact, input]) => ({
      artefact,
      from: idOf(input.key) ?? input.stage,
    })),
    options: changedOptions(known, options, cwd),
    ...transfers(ledger, id),
  };
}

function transfers(ledger: Manifest['ledger'], stage: string): { bytesUp: number; bytesDown: number } {
  const sum = (wanted: 'up' | 'down') =>
    ledger
      .filter((row) => row.stage === stage && row.direction === wanted)
      .reduce((total, { bytes }) => total + bytes, 0);
  return { bytesUp: sum('up'), bytesDown: sum('down') };
}

function otherTransfers({ ledger, stages }: Manifest): RunReport['otherTransfers'] {
  const ids = new Set(stages.map(({ id }) => id));
  const names = [...new Set(ledger.map(({ stage }) => stage))].filter((name) => !ids.has(name));
  return names.map((name) => ({ name: name.replace(/[()]/g, ''), ...transfers(ledger, name) }));
}

/** The number of Gaussians, from the header of the published splat. */
async function gaussiansOf(folder: string, { files }: Manifest): Promise<number | undefined> {
  if (!files.some(({ path }) => path === 'splat.ply')) return undefined;
  const handle = await orUndefined(open(join(folder, 'splat.ply')));
  if (!handle) return undefined;
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(1024), 0, 1024, 0);
    const count = /^element vertex (\d+)$/m.exec(buffer.toString('latin1', 0, bytesRead))?.[1];
    return count === undefined ? undefined : Number(count);
  } finally {
    await handle.close();
  }
}

function machineOf({ adapter, machine }: Manifest): Facts {
  const { description, device, vendor, architecture, software } = adapter;
  const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(0)} GiB`;
  return [
    ['Adapter', description || device],
    ['Kind', software ? 'software: the kernels run on the CPU' : [vendor, architecture].join(' ').trim()],
    ...((machine
      ? [
          ['Processor', `${machine.cpu}, ${machine.cores} threads`],
          ['Memory', gib(machine.memoryBytes)],
          ['System', machine.system],
        ]
      : []) satisfies Facts),
  ];
}

function versionsOf({ versions, git, file, seed }: Manifest): Facts {
  const dawn = versions.packages.webgpu;
  const tree = git && `${git.commit.slice(0, 12)}${git.dirty ? ', with uncommitted changes' : ''}`;
  return [
    ['splatline', versions.splatline],
    ['Node', versions.node],
    ...((dawn ? [['Dawn', dawn]] : []) satisfies Facts),
    ...((tree ? [['Git', tree]] : []) satisfies Facts),
    ['Pipeline file', file],
    ['Seed', String(seed)],
  ];
}
