import { join } from 'node:path';
import { loadScores } from '../../stages/artefacts/scores.ts';
import { stageGives } from '../../stages/stage.ts';
import type { Plan } from '../file/plan.ts';
import type { KeyedStage } from '../keys/identity.ts';
import type { RunEvent, RunResult } from './events.ts';
import { ManifestRecorder } from './manifest.ts';
import { MaterializedResults } from './materialize.ts';
import { checkFolder, RunFolder } from './run-folder.ts';
import { StageExecutor } from './stage-executor.ts';
import {
  foldersOf,
  type PreparedPlan,
  type PrepareOptions,
  preflight,
  staleStages,
  withPrepared,
} from './stage-plan.ts';
import { stoppedBy } from './waiting.ts';

export interface RunOptions extends PrepareOptions {
  onEvent?(event: RunEvent): void;
  /** Stops the run when aborted: a stage that keeps checkpoints saves one first, others end at once. */
  signal?: AbortSignal;
  /** The command that repeats the run, for run.json. */
  command?: string;
}

/**
 * Runs a plan: uses the cached stages of the store and runs the others. Required source stages read their inputs before anything
 * is created on disk. A stage's results appear in the store, and then in the run's folder, when they are
 * complete.
 * @throws InputError for the user's mistakes, GpuError when the device fails, Stopped when `signal` is aborted.
 */
export async function runPlan(plan: Plan, options: RunOptions = {}): Promise<RunResult> {
  await checkFolder(foldersOf(plan, options).out);
  return withPrepared(plan, { ...options, fetch: options }, (prepared) => new Run(prepared, options).run());
}

class Run {
  readonly #prepared: PreparedPlan;
  readonly #options: RunOptions;
  readonly #folder: RunFolder;
  readonly #executor: StageExecutor;
  readonly #results: MaterializedResults;
  readonly #recorder: ManifestRecorder;
  readonly #report: (event: RunEvent) => void;

  constructor(prepared: PreparedPlan, options: RunOptions) {
    const { signal, onEvent: report = () => {} } = options;
    const { gpu } = prepared;
    this.#prepared = prepared;
    this.#options = options;
    this.#report = report;
    this.#folder = new RunFolder(prepared.out);
    this.#results = new MaterializedResults(this.#folder, prepared.planned);
    this.#executor = new StageExecutor({
      ...prepared,
      signal,
      report,
      onEntry: async (...result) => {
        await this.#recorder.begin();
        await this.#results.show(...result);
      },
    });
    this.#recorder = new ManifestRecorder({
      prepared,
      folder: this.#folder,
      results: this.#results,
      outcomes: this.#executor.outcomes,
      options,
      warn: (text) => report({ event: 'warn', stage: gpu.ledger.stage, text }),
    });
  }

  async run(): Promise<RunResult> {
    const { plan, stages, gpu, out } = this.#prepared;
    const { signal } = this.#options;
    const ids = stages.map(({ id }) => id);
    this.#report({
      event: 'run',
      name: plan.name,
      out,
      seed: plan.seed,
      stages: ids,
      adapter: gpu.adapter,
    });
    let result: RunResult;
    try {
      const stale = await this.#open();
      for (const [index, stage] of stages.entries()) {
        if (signal?.aborted) throw stoppedBy(signal);
        await this.#executor.resolve(stage);
        const later = stages.slice(index + 1).filter((one) => stale.includes(one));
        const wanted = later.flatMap(({ inputs }) => [...inputs]);
        this.#executor.keepOnly(wanted.map(([name, { key }]) => ({ key, name })));
      }
      await this.#finish();
      result = await this.#result();
    } catch (error) {
      await this.#recorder.fail(error);
      throw error;
    } finally {
      this.#executor.keepOnly([]);
      await this.#folder.close();
    }
    this.#report({ event: 'result', ...result });
    return result;
  }

  /** Reads the required files of the user, then opens the folder. Returns the stages that have to run. */
  async #open(): Promise<readonly KeyedStage[]> {
    const { store, out } = this.#prepared;
    const stale = await staleStages(this.#prepared);
    await preflight(stale);
    for (const stage of stale) {
      if (!stage.stage.source) break;
      await this.#executor.read(stage);
    }
    if (stale.length) await store.writable();
    await this.#folder.open({
      signal: this.#options.signal,
      onWait: (holder) =>
        this.#report({
          event: 'wait',
          stage: '',
          text: `${holder} is writing to ${out}; waiting until it ends`,
        }),
    });
    await this.#results.readEarlier();
    return stale;
  }

  async #finish(): Promise<void> {
    const { stages, gpu, out } = this.#prepared;
    await this.#recorder.begin();
    const scorer = stages.findLast(({ stage, options }) => stageGives(stage, options).includes('scores'));
    const kept = this.#results.files.find((file) => file.path === 'scores.json');
    if (scorer) {
      this.#recorder.scores = (await this.#executor.value({ key: scorer.key, name: 'scores' })).scores;
    } else if (kept && this.#results.isCurrent(kept)) {
      this.#recorder.scores = (await loadScores(gpu, out).catch(() => undefined))?.scores; // of an earlier run
    }
    await this.#results.removeReplaced(stages);
    await this.#recorder.write('done');
  }

  async #result(): Promise<RunResult> {
    const { gpu, out } = this.#prepared;
    const files = this.#results.files.filter((file) => this.#results.isCurrent(file));
    const outcomes = [...this.#executor.outcomes];
    return {
      out,
      files: files.map(({ path }) => join(out, path)),
      stale: (await this.#results.stale()).map((path) => join(out, path)),
      remarks: this.#remarks(),
      seconds: this.#recorder.seconds,
      ran: outcomes.filter(([, { resolvedBy }]) => resolvedBy === 'ran').map(([id]) => id),
      ledger: gpu.ledger.rows(),
    };
  }

  #remarks(): string[] {
    const remarks = [...this.#results.held].map(
      ([name, stage]) =>
        `${name} is the result of ${stage}, which this run did not reach and which is still current`,
    );
    const psnr = (name: string) => this.#recorder.scores?.find((score) => score.name === name)?.value;
    const [before, after] = [psnr('psnr.before'), psnr('psnr')];
    const restyles = this.#prepared.stages.some(({ stage }) => stage.gives.includes('base'));
    if (restyles && before !== undefined && after !== undefined && after < before) {
      remarks.push(
        `Restyling changes the colours on purpose, so psnr against the photographs falls: ${before.toFixed(1)} dB before, ` +
          `${after.toFixed(1)} dB after. psnr.before is the quality of the trained splat.`,
      );
    }
    return remarks;
  }
}
