import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { verifyRun } from '../../pipeline/run/verify.ts';
import { type Contents, contentsOf, firstDifference, leftovers } from './contents.ts';
import { Job, resumesIn, warningsIn } from './job.ts';
import { type KillPlan, killAsPlanned, type Undisturbed } from './kill.ts';
import { FolderWatch, MOMENTS, type Moment, momentOf } from './moments.ts';

/** The reference for all trials. */
export interface Reference extends Undisturbed {
  contents: Contents;
  warnings: ReadonlySet<string>;
  /** Further arguments of `splatline run`. */
  args: readonly string[];
}

/** Where the run and the store of a trial lie. */
export function placesIn(folder: string): { out: string; store: string } {
  return { out: join(folder, 'out'), store: join(folder, 'store') };
}

/** Runs from nothing to the end, in a fresh folder. Throws where that fails. */
export async function undisturbed(folder: string, args: readonly string[] = []): Promise<Reference> {
  await mkdir(folder, { recursive: true });
  const moments = Object.fromEntries(MOMENTS.map((moment) => [moment, 0])) as Record<Moment, number>;
  const watch = new FolderWatch(folder, (path) => {
    const moment = momentOf(path);
    if (moment) moments[moment]++;
  });
  const job = new Job({ ...placesIn(folder), args });
  const { code, stderr, seconds } = await job.ended;
  watch.close();
  if (code !== 0) throw new Error(`the undisturbed run ended with ${code}\n${stderr}`);
  const contents = await contentsOf(placesIn(folder).out);
  return { seconds, moments, contents, warnings: new Set(warningsIn(job.events)), args };
}

export interface Outcome {
  /** Where it was killed, one for each time. */
  kills: string[];
  /** `train 15`: the stages that went on from a checkpoint, and the finished steps in it. */
  resumes: string[];
  /** What is not as it should be; undefined where all is. */
  fault?: string;
}

/**
 * Starts the run and kills it as often as planned, then lets it finish, and compares what it left. A plan that comes too
 * late ends the killing; where none has hit, the trial restarts with other plans.
 */
export async function trial(
  folder: string,
  reference: Reference,
  kills: number,
  nextPlan: () => KillPlan,
): Promise<Outcome> {
  for (let tries = 0; tries < 20; tries++) {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    const outcome = await attempt(folder, reference, kills, nextPlan);
    if (outcome.kills.length || outcome.fault !== undefined) return outcome;
  }
  throw new Error(
    'twenty runs ended before they could be killed: is the undisturbed one as long as they are?',
  );
}

async function attempt(
  folder: string,
  reference: Reference,
  kills: number,
  nextPlan: () => KillPlan,
): Promise<Outcome> {
  const places = placesIn(folder);
  const { args } = reference;
  const outcome: Outcome = { kills: [], resumes: [] };
  const hear = ({ events }: Job) => {
    outcome.resumes.push(...resumesIn(events).map(({ stage, step }) => `${stage} ${step}`));
    // A killed process leaves nothing damaged: what it had not finished is not there.
    outcome.fault ??= warningsIn(events).find((text) => !reference.warnings.has(text));
  };
  while (outcome.kills.length < kills) {
    const job = new Job({ ...places, args });
    const place = await killAsPlanned(job, nextPlan(), folder);
    hear(job);
    const { code, stderr } = await job.ended;
    if (place === undefined && code !== 0) return { ...outcome, fault: failure(code, stderr) };
    if (place === undefined) break;
    outcome.kills.push(place);
  }
  if (!outcome.kills.length) return outcome;
  const last = new Job({ ...places, args });
  const { code, stderr } = await last.ended;
  hear(last);
  if (code !== 0) return { ...outcome, fault: failure(code, stderr) };
  return { ...outcome, fault: outcome.fault ?? (await faultIn(places, reference.contents)) };
}

function failure(code: number | null, stderr: string): string {
  return `${code === null ? 'ended by a signal of somebody else' : `exit code ${code}`}: ${stderr.trim()}`;
}

/** What a finished run left that is not as it should be. */
export async function faultIn(
  places: { out: string; store: string },
  expected: Contents,
): Promise<string | undefined> {
  const difference = firstDifference(expected, await contentsOf(places.out));
  if (difference !== undefined) return difference;
  const [left] = await leftovers(places);
  if (left !== undefined) return `${left} was left`;
  const { damaged, missing } = await verifyRun(places.out, { store: places.store });
  if (damaged.length) return `${damaged[0].path} is not what run.json says: ${damaged[0].fault}`;
  return missing.length ? `the store has not kept ${missing[0]}` : undefined;
}

/** One line: `killed at train 23/48 (6.1 s); went on from train 20: ok`. */
export function describe({ kills, resumes, fault }: Outcome): string {
  const from = resumes.length ? `went on from ${resumes.join(', ')}` : 'no checkpoint used';
  return `killed at ${kills.join(', then ') || 'no time'}; ${from}: ${fault ?? 'ok'}`;
}
