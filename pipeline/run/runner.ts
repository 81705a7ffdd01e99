import { stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { loadScores } from '../../stages/artefacts/scores.ts';
import { Stopped } from '../../stages/checkpoints.ts';
import { stageGives } from '../../stages/stage.ts';
import { InputError } from '../../wgsl/core/index.ts';
import type { Plan } from '../file/plan.ts';
import type { KeyedStage } from '../keys/identity.ts';
import { sentence, why } from '../keys/why.ts';
import { countedUnder, RESULTS } from './artefacts.ts';
import { aboutOf } from './entries.ts';
import type { RunEvent, RunResult } from './events.ts';
import { keepRun, runReference } from './kept-runs.ts';
import { LiveLog } from './live-log.ts';
import { gitState, type Manifest, packageVersion, type StageRow, thisMachine } from './manifest.ts';
import { RunResults } from './results.ts';
import { checkFolder, MANIFEST, PIPELINE, RunFolder } from './run-folder.ts';
import { StageExecutor } from './stage-executor.ts';
import {
  foldersOf,
  type PreparedPlan,
  type PrepareOptions,
  preflight,
  reasonsOf,
  staleStages,
  withPrepared,
} from './stage-plan.ts';
import { stoppedBy } from './waiting.ts';

export interface RunOptions extends PrepareOptions {
  onEvent?(event: RunEvent): void;
  /** Stops the run when aborted: a stage that keeps checkpoints saves one first, others end at once. */
  signal?: AbortSignal;
  /** Pictures of the splat while it is trained or restyled, for `splatline view`: the least seconds between two. */
  preview?: number;
  /** The command that repeats the run, for run.json. */
  command?: string;
  /** The text of a pipeline file that is nowhere else: the folder gets it as `pipeline.yaml`. */
  text?: string;
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
  readonly #results: RunResults;
  readonly #report: (event: RunEvent) => void;
  readonly #live = new LiveLog();
  readonly #start = performance.now();
  readonly #git: Promise<Manifest['git']>;
  /** Whether run.json is this run's. */
  #hasMarked = false;
  #scores: Manifest['scores'];
  #reasons: ReadonlyMap<string, { why: string }> = new Map();

  constructor(prepared: PreparedPlan, options: RunOptions) {
    const { signal, preview, onEvent: report = () => {} } = options;
    this.#prepared = prepared;
    this.#options = options;
    this.#report = (event) => {
      this.#live.add(event);
      report(event);
    };
    this.#folder = new RunFolder(prepared.out);
    this.#results = new RunResults(this.#folder, prepared.planned);
    this.#git = gitState(prepared.plan.file);
    this.#executor = new StageExecutor({
      ...prepared,
      signal,
      report: this.#report,
      preview:
        preview === undefined
          ? undefined
          : { seconds: preview, show: (picture) => this.#live.showPicture(picture) },
      onMetrics: (stage, lines) => this.#live.add({ event: 'metrics', stage, lines }),
      onEntry: async (stage, entry) => {
        await this.#markFolder();
        await this.#results.show({ ...stage, stage: stage.stage.name }, entry);
      },
    });
  }

  async run(): Promise<RunResult> {
    const { plan, stages, gpu, out } = this.#prepared;
    const { signal } = this.#options;
    const { name, seed } = plan;
    const ids = stages.map(({ id }) => id);
    this.#report({ event: 'run', name, out, seed, stages: ids, adapter: gpu.adapter });
    let result: RunResult;
    try {
      const stale = await this.#open();
      for (const [index, stage] of stages.entries()) {
        if (signal?.aborted) throw stoppedBy(signal);
        const later = stages.slice(index + 1);
        await this.#executor.resolve(stage);
        await this.#publish(stage, later);
        const wanted = later.filter((one) => stale.includes(one)).flatMap(({ inputs }) => [...inputs]);
        this.#executor.keepOnly(wanted.map(([name, { key }]) => ({ key, name })));
      }
      await this.#finish();
      result = await this.#result();
    } catch (error) {
      await this.#fail(error);
      throw error;
    } finally {
      this.#executor.keepOnly([]);
      await this.#live.close();
      await this.#folder.close();
    }
    this.#report({ event: 'result', ...result });
    return result;
  }

  /** Reads the required files of the user, then opens the folder. Returns the stages that have to run. */
  async #open(): Promise<readonly KeyedStage[]> {
    const { store, out, gpu } = this.#prepared;
    const stale = await staleStages(this.#prepared);
    await preflight(stale, gpu.device.limits);
    this.#reasons = await reasonsOf(this.#prepared, stale);
    for (const stage of stale) {
      if (!stage.stage.source) break;
      await this.#executor.read(stage);
    }
    if (stale.length) await store.writable();
    const onWait = (holder: string) => {
      const text = `${holder} is writing to ${out}; waiting until it ends`;
      this.#report({ event: 'wait', stage: '', text });
    };
    await this.#folder.open({ signal: this.#options.signal, onWait });
    await this.#live.open(out, (text) => this.#report({ event: 'warn', stage: '', text }));
    const earlier = await this.#results.readEarlier();
    if (earlier) await this.#announce(earlier);
    return stale;
  }

  /** Says which results of the folder this run replaces, and keeps them, before it does. */
  async #announce(earlier: Manifest): Promise<void> {
    const { stages, store } = this.#prepared;
    const replaced = stages.flatMap((stage) => {
      const before = earlier.stages.find(({ id }) => id === stage.id);
      const isOutdated = before && before.key !== stage.key && !stage.stage.source;
      return isOutdated ? [{ stage, before }] : [];
    });
    if (!replaced.length) return;
    const [{ stage, before }] = replaced;
    const changes = sentence(why(before.identity, stage.identity, stage));
    const { mtime } = await stat(join(this.#folder.root, MANIFEST));
    const isKept = await this.#keep(earlier, mtime);
    const run = runReference(earlier);
    this.#report({ event: 'replaces', run, status: earlier.status, isKept, store: store.root, changes });
  }

  /** Keeps a finished run in the store. A run whose record cannot be written has its results nevertheless. */
  async #keep(manifest: Manifest, finished?: Date): Promise<boolean> {
    return keepRun(this.#prepared.store, manifest, finished).catch((error: unknown) => {
      this.#report({
        event: 'warn',
        stage: '',
        text: `the run is not kept in the store: ${messageOf(error)}`,
      });
      return false;
    });
  }

  /**
   * Writes the artefacts of a stage that have a public format, unless a later stage of the run replaces them. The restyled or
   * trained splat of a stage that has just run is also written if a later stage replaces it, as that stage may fail.
   */
  async #publish({ id, key, stage, options }: KeyedStage, later: readonly KeyedStage[]): Promise<void> {
    const { formats, gpu } = this.#prepared;
    const hasRun = this.#executor.outcomes.get(id)?.resolvedBy === 'ran' && stage.needs.includes('gaussians');
    for (const name of stageGives(stage, options)) {
      const { published } = formats[name];
      const isReplaced = later.some((one) => stageGives(one.stage, one.options).includes(name));
      if (!published || (isReplaced && !hasRun)) continue;
      await this.#markFolder();
      await this.#results.publish({ id, key }, published.file, async () => {
        const value = await this.#executor.value({ key, name });
        return countedUnder(gpu, RESULTS, () => published.bytes(gpu, value as never));
      });
    }
  }

  async #finish(): Promise<void> {
    const { stages, gpu, out } = this.#prepared;
    await this.#markFolder();
    const scorer = stages.findLast(({ stage, options }) => stageGives(stage, options).includes('scores'));
    const earlierScores = this.#results.files.find((file) => file.path === 'scores.json');
    if (scorer) {
      this.#scores = (await this.#executor.value({ key: scorer.key, name: 'scores' })).scores;
    } else if (earlierScores && this.#results.isCurrent(earlierScores)) {
      this.#scores = (await loadScores(gpu, out).catch(() => undefined))?.scores; // of an earlier run
    }
    await this.#results.removeReplaced(stages);
    await this.#keep(await this.#write('done'));
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
      seconds: this.#seconds,
      ran: outcomes.filter(([, { resolvedBy }]) => resolvedBy === 'ran').map(([id]) => id),
      ledger: gpu.ledger.rows(),
    };
  }

  #remarks(): string[] {
    const psnr = (name: string) => this.#scores?.find((score) => score.name === name)?.value;
    const [before, after] = [psnr('psnr.before'), psnr('psnr')];
    const restyles = this.#prepared.stages.some(({ stage }) => stage.gives.includes('base'));
    if (!restyles || before === undefined || after === undefined || after >= before) return [];
    return [
      `Restyling changes the colours on purpose, so psnr against the photographs falls: ${before.toFixed(1)} dB before, ` +
        `${after.toFixed(1)} dB after. psnr.before is the quality of the trained splat.`,
    ];
  }

  get #seconds(): number {
    return (performance.now() - this.#start) / 1000;
  }

  /** Marks the folder as this run's before the first result appears. */
  async #markFolder(): Promise<void> {
    if (this.#hasMarked) return;
    this.#hasMarked = true;
    await this.#write('running');
    const { text } = this.#options;
    if (text !== undefined) await this.#folder.write(PIPELINE, text);
  }

  /** Records a failure, unless it is a user's mistake that was found before anything was written. */
  async #fail(error: unknown): Promise<void> {
    if (!this.#folder.isOpen || (!this.#hasMarked && error instanceof InputError)) return;
    await this.#write(error instanceof Stopped ? 'stopped' : 'failed', error).catch((second: unknown) => {
      const text = `${MANIFEST} could not be written: ${messageOf(second)}`;
      this.#report({ event: 'warn', stage: this.#prepared.gpu.ledger.stage, text });
    });
  }

  /** Writes run.json. Returns its contents. */
  async #write(status: Manifest['status'], error?: unknown): Promise<Manifest> {
    const { plan, gpu, store, stages } = this.#prepared;
    const { from, until, command = `npx splatline run ${plan.file}` } = this.#options;
    const packages = Object.assign({}, ...stages.map(({ identity }) => identity.packages));
    const manifest: Manifest = {
      format: 1,
      status,
      error: error === undefined ? undefined : messageOf(error), // JSON leaves out what is undefined
      endedIn: error === undefined ? undefined : this.#executor.current,
      name: plan.name,
      seed: plan.seed,
      command,
      cwd: process.cwd(),
      file: plan.file,
      store: relative(this.#folder.root, store.root),
      cell: plan.cell,
      from,
      until,
      versions: { splatline: await packageVersion(), node: process.version, packages },
      git: await this.#git,
      adapter: gpu.adapter,
      machine: thisMachine(),
      seconds: this.#seconds,
      stages: stages.map((stage) => this.#row(stage)),
      files: this.#results.files,
      scores: this.#scores,
      ledger: gpu.ledger.rows(),
    };
    await this.#folder.write(MANIFEST, `${JSON.stringify(manifest, null, 2)}\n`);
    return manifest;
  }

  #row({ id, stage, key, options, seed, identity, places }: KeyedStage): StageRow {
    const unused = { resolvedBy: 'unused' as const, seconds: 0, peakBytes: 0, entry: undefined };
    const { entry, ...outcome } = this.#executor.outcomes.get(id) ?? unused;
    const { parts, seconds: madeIn } = entry ? aboutOf(entry) : { parts: {} };
    const outputs = entry?.record.files ?? [];
    return {
      ...{ id, stage: stage.name, key, options, seed, identity, places },
      ...{ ...outcome, why: this.#reasons.get(id)?.why, madeIn, parts, outputs },
    };
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
