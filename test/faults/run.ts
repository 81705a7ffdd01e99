/**
 * Kills runs at random instants, lets them finish, and compares the bytes that they leave with those of a run that nobody
 * disturbed. Half of the trials kill after a random time, half at the moment when a name appears on disk; each up to three
 * times. The last line says how many came to the same bytes: `N/N`.
 *
 *     npm run faults -- N [--seed S] [--jobs J] [--keep] [--set STAGE.OPTION=VALUE …]
 *
 * --jobs   trials at a time; as many undisturbed runs, whose bytes must agree, say how long one takes in such company
 * --keep   leaves the folders of trials that failed
 * --set    overrides values of the pipeline, as `splatline run` does: `--set train.strategy=mcmc`
 */
import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { firstDifference } from './contents.ts';
import { planKill } from './kill.ts';
import { Random } from './random.ts';
import { describe, type Reference, trial, undisturbed } from './trial.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string' },
    jobs: { type: 'string' },
    keep: { type: 'boolean' },
    set: { type: 'string', multiple: true, default: [] },
  },
});
const trials = whole(positionals[0], 'the number of trials', 5);
const seed = whole(values.seed, '--seed', Math.floor(Math.random() * 2 ** 31), 0);
const jobs = whole(values.jobs, '--jobs', 1);

const root = await mkdtemp(join(tmpdir(), 'splatline-faults-'));
let ok = 0;
process.on('exit', () => {
  if (ok < trials && values.keep) console.log(`what failed is in ${root}`);
  else rmSync(root, { recursive: true, force: true, maxRetries: 3 });
});

const reference = await referenceOf(jobs);
console.log(`seed ${seed}, undisturbed ${reference.seconds.toFixed(1)} s, in ${root}`);
const queue = Array.from({ length: trials }, (_, index) => index);
const workers = Array.from({ length: jobs }, async () => {
  for (let index = queue.shift(); index !== undefined; index = queue.shift()) {
    if (await passes(index, reference)) ok++;
  }
});
await Promise.all(workers);
console.log(`${ok}/${trials}`);
process.exitCode = ok === trials ? 0 : 1;

async function referenceOf(runs: number): Promise<Reference> {
  const folders = Array.from({ length: runs }, (_, index) => join(root, `undisturbed-${index}`));
  const args = values.set.flatMap((text) => ['--set', text]);
  const all = await Promise.all(folders.map((folder) => undisturbed(folder, args)));
  for (const { contents } of all) {
    const difference = firstDifference(all[0].contents, contents);
    if (difference) throw new Error(`the adapter does not repeat itself, undisturbed: ${difference}`);
  }
  for (const folder of folders) await rm(folder, { recursive: true });
  return { ...all[0], seconds: all.reduce((sum, { seconds }) => sum + seconds, 0) / runs };
}

async function passes(index: number, reference: Reference): Promise<boolean> {
  // A generator of its own, so that a trial is planned alike whatever the others did.
  const random = new Random(seed + index);
  const kind = index % 2 ? 'aimed' : 'uniform';
  const folder = join(root, `trial-${index + 1}`);
  const outcome = await trial(folder, reference, 1 + random.below(3), () =>
    planKill(random, kind, reference),
  );
  console.log(`${String(index + 1).padStart(3)} ${kind}: ${describe(outcome)}`);
  const passed = outcome.fault === undefined;
  if (passed || !values.keep) await rm(folder, { recursive: true, force: true });
  return passed;
}

function whole(text: string | undefined, what: string, otherwise: number, min = 1): number {
  const value = text === undefined ? otherwise : Number(text);
  if (Number.isInteger(value) && value >= min) return value;
  console.error(`${what}: expected a whole number from ${min}, found ${text}`);
  process.exit(2);
}
