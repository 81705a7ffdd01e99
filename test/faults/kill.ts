import { setTimeout as sleep } from 'node:timers/promises';
import type { Job, JobEvent } from './job.ts';
import { FolderWatch, MOMENTS, type Moment, momentOf } from './moments.ts';
import type { Random } from './random.ts';

/** When a job is killed: so long after its start, or with the n-th name of a kind that appears on disk. */
export type KillPlan =
  | { kind: 'uniform'; seconds: number }
  | { kind: 'aimed'; moment: Moment; nth: number; milliseconds: number };

export interface Undisturbed {
  seconds: number;
  /** How many names of each kind appear. */
  moments: Readonly<Record<Moment, number>>;
}

/** The longest time between a name and the kill that it brings. */
const AFTER = 40;
/** The part of aimed kills that leave a run with a checkpoint to resume from; the others hit every kind alike. */
const CHECKPOINTS = 0.4;

/** An instant at random: over the whole length of an undisturbed run, or at one of its moments or a little later. */
export function planKill(
  random: Random,
  kind: KillPlan['kind'],
  { seconds, moments }: Undisturbed,
): KillPlan {
  if (kind === 'uniform') return { kind, seconds: random.next() * seconds };
  const seen = MOMENTS.filter((name) => moments[name] > 0);
  const moment = random.next() < CHECKPOINTS ? 'checkpoint' : random.pick(seen);
  const nth = 1 + random.below(Math.max(1, moments[moment]));
  return { kind, moment, nth, milliseconds: random.next() < 0.5 ? 0 : random.next() * AFTER };
}

/** Kills the job as planned. Gives where it was, or undefined where it ended before; `folder` is watched. */
export async function killAsPlanned(job: Job, plan: KillPlan, folder: string): Promise<string | undefined> {
  let place: string | undefined;
  const begin = performance.now();
  const kill = (why: string) => {
    job.kill();
    const seconds = ((performance.now() - begin) / 1000).toFixed(1);
    place ??= `${placeOf(job.events)} (${seconds} s${why})`;
  };
  const done = new AbortController();
  let watch: FolderWatch | undefined;
  if (plan.kind === 'uniform') {
    void sleep(plan.seconds * 1000, undefined, done).then(
      () => kill(''),
      () => {},
    );
  } else {
    let seen = 0;
    watch = new FolderWatch(folder, (path) => {
      if (momentOf(path) !== plan.moment || ++seen !== plan.nth) return;
      const why = `, ${plan.moment} ${plan.nth}`;
      if (!plan.milliseconds) return kill(why);
      void sleep(plan.milliseconds, undefined, done).then(
        () => kill(`${why} + ${plan.milliseconds.toFixed(0)} ms`),
        () => {},
      );
    });
  }
  const { code } = await job.ended;
  done.abort();
  watch?.close();
  return code === null ? place : undefined;
}

/** `train 23/48`: the last that a job reported. */
export function placeOf(events: readonly JobEvent[]): string {
  const last = events.at(-1);
  if (!last) return 'start';
  if (last.event === 'progress') return `${last.stage} ${last.step}/${last.steps}`;
  return 'stage' in last && last.stage ? `${last.stage} ${last.event}` : last.event;
}
