import { join, resolve } from 'node:path';
import { type ArtefactFormats, artefactFormats } from '../../stages/artefacts/formats.ts';
import {
  type ArtefactName,
  type Artefacts,
  type OutputFolder,
  type Report,
  stageGives,
} from '../../stages/stage.ts';
import { type Gpu, InputError, type LedgerRow, openGpu } from '../../wgsl/core/index.ts';
import type { Plan, PlannedStage } from '../file/plan.ts';
import { Meter, type RunEvent } from './events.ts';
import { MANIFEST, RunFolder, StagedOutput } from './folder.ts';
import { HeldArtefacts } from './held.ts';
import { lineageOf, type StageIdentity } from './lineage.ts';
import { manifestOf, packageVersion, type StageTiming } from './manifest.ts';
import { Results } from './results.ts';
import { checkLineage, madeOtherwise, type Schedule, schedule, wantedBy } from './resume.ts';
import { entriesOf, type MadeBy, StageStore } from './store.ts';
import { RESULTS, RESUME } from './transfers.ts';

export interface RunOptions {
  /** The folder that takes everything the run writes. Default: `out/<name>`. */
  out?: string;
  /** Resume with this stage on what an earlier run saved. */
  from?: string;
  /** Stop after this stage. */
  until?: string;
  onEvent?(event: RunEvent): void;
  /** A device to run on, left open. Default: one of our own. */
  gpu?: Gpu;
  /** How artefacts are kept; tests bring their own. */
  formats?: ArtefactFormats;
}

export interface RunResult {
  out: string;
  /** Absolute paths of what the run left for people. */
  files: string[];
  seconds: number;
  /** Every byte between CPU and GPU, by stage and purpose. */
  ledger: LedgerRow[];
}

/**
 * Runs a plan. Inputs are looked at first, and source stages read them; only then is the folder made, and nothing in it
 * changes before a stage has succeeded. Outputs appear when their stage has succeeded.
 * @throws InputError for what the user can mend, GpuError when the device fails.
 */
export async function runPlan(plan: Plan, options: RunOptions = {}): Promise<RunResult> {
  const out = resolve(options.out ?? join('out', plan.name));
  const formats = options.formats ?? artefactFormats;
  await RunFolder.check(out);
  const todo = await schedule(plan, out, formats, options);
  for (const { stage, options: stageOptions } of [...todo.repeat, ...todo.run])
    await stage.preflight?.(stageOptions);
  const lineage = await lineageOf(todo.upTo);
  if (options.from !== undefined) await checkLineage(todo, lineage, out, options.from);
  const gpu = options.gpu ?? (await openGpu());
  const folder = new RunFolder(out);
  try {
    return await new Run(plan, todo, lineage, gpu, folder, formats, options).run();
  } finally {
    folder.close();
    if (!options.gpu) gpu.close();
  }
}

class Run {
  readonly #plan: Plan;
  readonly #todo: Schedule;
  readonly #lineage: StageIdentity[];
  readonly #gpu: Gpu;
  readonly #folder: RunFolder;
  readonly #formats: ArtefactFormats;
  readonly #store: StageStore;
  readonly #tell: (event: RunEvent) => void;
  readonly #options: RunOptions;
  readonly #results: Results;
  readonly #held: HeldArtefacts;
  readonly #published = new Map<ArtefactName, object>();
  readonly #timings: StageTiming[] = [];
  #seconds = () => 0;
  /** Whether this run has written anything. */
  #begun = false;

  constructor(
    plan: Plan,
    todo: Schedule,
    lineage: StageIdentity[],
    gpu: Gpu,
    folder: RunFolder,
    formats: ArtefactFormats,
    options: RunOptions,
  ) {
    this.#plan = plan;
    this.#todo = todo;
    this.#lineage = lineage;
    this.#gpu = gpu;
    this.#folder = folder;
    this.#formats = formats;
    this.#options = options;
    const first = todo.upTo.length - todo.run.length;
    this.#results = new Results(folder, new Set(todo.upTo.slice(0, first).map(({ id }) => id)));
    this.#held = new HeldArtefacts(formats);
    this.#store = new StageStore(gpu, folder, formats);
    this.#tell = options.onEvent ?? (() => {});
  }

  async run(): Promise<RunResult> {
    const start = performance.now();
    const { name, seed } = this.#plan;
    const { root: out } = this.#folder;
    const { run } = this.#todo;
    this.#seconds = () => (performance.now() - start) / 1000;
    this.#tell({
      event: 'run',
      name,
      out,
      seed,
      stages: run.map(({ id }) => id),
      adapter: this.#gpu.adapter,
    });
    try {
      await this.#repeat();
      // Source stages at the front only read what the user gave: all of it is known to be good before the folder is made.
      const sources = run.findIndex(({ stage }) => !stage.source);
      const readOnly = sources < 0 ? run.length : sources;
      for (let index = 0; index < readOnly; index++) await this.#stage(run[index], index);
      await this.#folder.open();
      await this.#results.readEarlier();
      await this.#takeUp();
      for (let index = readOnly; index < run.length; index++) await this.#stage(run[index], index);
      await this.#begin();
      await this.#publish(this.#held.all, (name) => this.#held.giverOf(name));
      this.#held.keepOnly(new Set());
      await this.#results.finish();
      await this.#writeManifest('done');
    } catch (error) {
      await this.#fail(error);
      throw error;
    }
    const files = this.#results.files.map(({ path }) => join(out, path));
    const result = { out, files, seconds: this.#seconds(), ledger: this.#gpu.ledger.rows() };
    this.#tell({ event: 'result', ...result });
    return result;
  }

  /** Source stages before `from` read the user's files again. */
  async #repeat(): Promise<void> {
    const { load, repeat } = this.#todo;
    const { from } = this.#options;
    if (from !== undefined) {
      const loaded = [...new Set(load.map(({ id }) => id))];
      this.#tell({ event: 'resume', from, loaded, repeated: repeat.map(({ id }) => id) });
    }
    for (const planned of repeat) this.#held.take(await this.#perform(planned, NO_OUTPUT), planned.id);
  }

  /** What an earlier run saved. */
  async #takeUp(): Promise<void> {
    const otherwise = await madeOtherwise(this.#todo, this.#folder.root, await this.#madeBy());
    for (const text of otherwise) this.#tell({ event: 'warn', stage: this.#options.from ?? '', text });
    this.#gpu.ledger.stage = RESUME;
    for (const { id, name } of this.#todo.load) {
      this.#held.take({ [name]: await this.#store.load(id, name) }, id);
    }
  }

  async #stage(planned: PlannedStage, index: number): Promise<void> {
    const start = performance.now();
    this.#tell({ event: 'stage', stage: planned.id, index, count: this.#todo.run.length });
    const given = planned.stage.source
      ? await this.#perform(planned, NO_OUTPUT)
      : await this.#performAndSave(planned);
    this.#held.take(given, planned.id);
    this.#held.keepOnly(wantedBy(this.#todo.run.slice(index + 1), this.#formats));
    const seconds = (performance.now() - start) / 1000;
    this.#timings.push({ id: planned.id, seconds, peakBytes: this.#gpu.peakBytes });
    this.#tell({ event: 'done', stage: planned.id, seconds });
  }

  async #performAndSave(planned: PlannedStage): Promise<Partial<Artefacts>> {
    const output = new StagedOutput(this.#folder);
    const given = await this.#perform(planned, output);
    await this.#begin();
    const index = this.#plan.stages.indexOf(planned);
    const later = this.#plan.stages.slice(index + 1).map(({ id }) => id);
    const { seed } = this.#plan;
    const record = { seed, lineage: this.#lineage.slice(0, index + 1), madeBy: await this.#madeBy() };
    await this.#store.save(planned.id, record, given, later);
    this.#results.add(await output.publish(), planned.id);
    await this.#publishGiven(planned, given);
    await this.#results.redone(planned.id);
    return given;
  }

  async #madeBy(): Promise<MadeBy> {
    const { description, device, vendor, architecture } = this.#gpu.adapter;
    const adapter = [vendor, architecture, device, description].filter(Boolean).join(' ');
    return { splatline: await packageVersion(), adapter };
  }

  /** Before the first file takes its place, the folder says whose it is. */
  async #begin(): Promise<void> {
    if (this.#begun) return;
    this.#begun = true;
    await this.#writeManifest('running');
  }

  /** Says so in run.json, except for a mistake of the user's that was found before anything was written. */
  async #fail(error: unknown): Promise<void> {
    if (!this.#folder.isOpen || (!this.#begun && error instanceof InputError)) return;
    try {
      await this.#writeManifest('failed', error);
    } catch (second) {
      const text = `${MANIFEST} could not be written: ${second instanceof Error ? second.message : second}`;
      this.#tell({ event: 'warn', stage: this.#gpu.ledger.stage, text });
    }
  }

  /** The stage's work, and the check that the device lived through it. */
  async #perform({ id, stage, options }: PlannedStage, output: OutputFolder): Promise<Partial<Artefacts>> {
    const gpu = this.#gpu;
    gpu.ledger.stage = id;
    const context = { gpu, seed: this.#plan.seed, report: this.#report(id), output };
    const given = await orDeviceLost(gpu, stage.run(context, this.#held.all, options));
    await gpu.settle();
    const missing = stageGives(stage, options).filter((name) => !given[name]);
    if (missing.length) throw new Error(`stage ${id} did not give ${missing.join(', ')}`);
    return given;
  }

  #report(stage: string): Report {
    const meter = new Meter();
    return {
      progress: ({ step, steps, metrics = {} }) =>
        this.#tell({ event: 'progress', stage, step, steps, metrics, ...meter.mark(step, steps) }),
      note: (text) => this.#tell({ event: 'note', stage, text }),
      warn: (text) => this.#tell({ event: 'warn', stage, text }),
    };
  }

  /** A stage that made a splat leaves it at once, so that a later failure does not cost it; a first guess is none. */
  async #publishGiven({ id, stage }: PlannedStage, given: Partial<Artefacts>): Promise<void> {
    const isFirstGuess = stage.gives.includes('gaussians') && !stage.needs.includes('gaussians');
    if (!isFirstGuess) await this.#publish(given, () => id);
  }

  /** Writes the artefacts that people want as files, from the buffers that the stages left; each value once. */
  async #publish(artefacts: Partial<Artefacts>, giverOf: (name: ArtefactName) => string): Promise<void> {
    const { ledger } = this.#gpu;
    const { stage } = ledger;
    ledger.stage = RESULTS;
    const publish = async <Name extends ArtefactName>(name: Name, value: Artefacts[Name]) => {
      const format = this.#formats[name];
      if (!format.publish || this.#published.get(name) === value) return;
      const output = new StagedOutput(this.#folder);
      await format.publish(this.#gpu, value, output);
      await this.#gpu.settle();
      this.#results.add(await output.publish(), giverOf(name));
      this.#published.set(name, value);
    };
    for (const [name, value] of entriesOf(artefacts)) await publish(name, value);
    ledger.stage = stage;
  }

  async #writeManifest(status: 'running' | 'done' | 'failed', error?: unknown): Promise<void> {
    const manifest = await manifestOf({
      status,
      error,
      plan: this.#plan,
      lineage: this.#lineage,
      adapter: this.#gpu.adapter,
      from: this.#options.from,
      until: this.#options.until,
      seconds: this.#seconds(),
      stages: this.#timings,
      files: this.#results.all,
      root: this.#folder.root,
      ledger: this.#gpu.ledger.rows(),
    });
    await this.#folder.write(MANIFEST, `${JSON.stringify(manifest, null, 2)}\n`);
  }
}

/** A source stage only reads. */
const NO_OUTPUT: OutputFolder = {
  write: async (path) => Promise.reject(new Error(`a source stage cannot write ${path}`)),
};

/** The work, or a GpuError as soon as the device is lost: work that waits for a lost device may never end. */
async function orDeviceLost<T>(gpu: Gpu, work: Promise<T>): Promise<T> {
  const lost = gpu.device.lost.then((): Promise<never> => {
    gpu.check();
    return new Promise(() => {}); // closed on purpose
  });
  lost.catch(() => {}); // the race reports it; after the race nobody listens
  return Promise.race([work, lost]);
}
