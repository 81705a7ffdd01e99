/**
 * Steps a second and time by kernel of a pipeline file's optimisations (train, stylize), on this machine's adapter.
 *
 *     node --import tsx test/bench/file.ts FILE.yaml [--set train.steps=500]… [--stage train] [--first N]
 *                                                                          [--no-profile] [--least]
 *
 * Runs the stages up to the last optimisation (or --stage) in memory, from nothing, and saves nothing. --first N: N steps of that
 * last one instead of all. The wall clock counts from the first step's recording to the end of the last step's work; set-up
 * is not in it. Times by kernel come from a second run under the profiler: each kernel's median over the steps, or with --least
 * its minimum, where other work shares the machine.
 */
import { parseArgs } from 'node:util';
import { readPipeline } from '../../pipeline/file/read.ts';
import { stages } from '../../stages/index.ts';
import type { Artefacts, Report } from '../../stages/stage.ts';
import { type Gpu, openGpu, Profiler } from '../../wgsl/core/index.ts';
import { median } from './measure.ts';
import { alignColumns } from './table.ts';

/** Kernels and copies that one step records at most. */
const SPANS = 512;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  allowNegative: true,
  options: {
    set: { type: 'string', multiple: true },
    stage: { type: 'string' },
    first: { type: 'string' },
    profile: { type: 'boolean', default: true },
    least: { type: 'boolean', default: false },
  },
});
if (positionals.length !== 1) throw new Error('give one pipeline file');
const plan = await readPipeline(positionals[0], { set: values.set, registry: stages });
const optimisations = plan.stages.filter(({ stage }) => stage.name === 'train' || stage.name === 'stylize');
const last = values.stage ?? optimisations.at(-1)?.id;
if (!optimisations.some(({ id }) => id === last)) throw new Error(`the file has no optimisation ${last}`);

/** Thrown out of a stage whose first steps are enough. */
class Enough extends Error {}

/** When a stage's first and last step were reported. */
interface Clock {
  begin: number;
  cpu: number;
  steps: number;
}

const gpu = await openGpu({ dawn: ['disable-dawn-features=timestamp_quantization'] });
console.log(`${gpu.adapter.description || gpu.adapter.device}, ${gpu.adapter.cpu ?? ''}`);
try {
  await chain(false);
  if (values.profile) await chain(true);
} finally {
  gpu.close();
}

async function chain(profiled: boolean): Promise<void> {
  let artefacts: Partial<Artefacts> = {};
  for (const { id, stage, options } of plan.stages) {
    const measured = optimisations.some((planned) => planned.id === id);
    const first = id === last && values.first ? Number(values.first) : Number.POSITIVE_INFINITY;
    const profile = profiled && measured ? profileSteps(gpu) : undefined;
    const clock: Clock = { begin: 0, cpu: 0, steps: 0 };
    const report: Report = {
      note() {},
      warn: (text) => console.log(`warning: ${text}`),
      progress({ step, metrics }) {
        if (measured && step === Math.min(first, 50)) console.log(`${id} step ${step}`, metrics ?? {});
        clock.steps = step;
        if (step >= first) throw new Enough();
      },
    };
    const output = { async write() {} };
    const restore = startClock(gpu, clock);
    try {
      const given = await stage.run(gpu, artefacts, options, { seed: plan.seed, report, output });
      artefacts = { ...artefacts, ...given };
    } catch (error) {
      if (!(error instanceof Enough)) throw error;
    } finally {
      restore();
      profile?.stop();
    }
    await gpu.settle();
    if (measured && !profiled) {
      const seconds = (performance.now() - clock.begin) / 1000;
      const user = process.cpuUsage().user / 1e6 - clock.cpu;
      console.log(
        `${id}: ${clock.steps} steps in ${seconds.toFixed(2)} s, ${(clock.steps / seconds).toFixed(2)} steps/s; ` +
          `CPU ${((1000 * user) / clock.steps).toFixed(1)} ms a step`,
      );
    }
    if (profile) await profile.print(id, values.least);
    if (id === last) return;
  }
}

/** Lets the clock run from a stage's first recorder that is not of its set-up. */
function startClock(gpu: Gpu, clock: Clock): () => void {
  const make = gpu.recorder;
  gpu.recorder = (label, profiler) => {
    if (!clock.begin && label.endsWith('/step')) {
      clock.begin = performance.now();
      clock.cpu = process.cpuUsage().user / 1e6;
    }
    return make.call(gpu, label, profiler);
  };
  return () => {
    gpu.recorder = make;
  };
}

/** A profiler to every step's recorder from now on, because none may wait between two steps. */
function profileSteps(gpu: Gpu) {
  const make = gpu.recorder;
  const profilers: Profiler[] = [];
  let steps = 0;
  gpu.recorder = (label) => {
    if (!label.endsWith('/step')) return make.call(gpu, label);
    steps++;
    const profiler = new Profiler(gpu.device, SPANS);
    profilers.push(profiler);
    return make.call(gpu, label, profiler);
  };
  return {
    stop() {
      gpu.recorder = make;
    },
    async print(id: string, isMin: boolean) {
      const times = new Map<string, number[]>();
      for (const profiler of profilers) {
        await profiler.collect();
        for (const { label, totalMs } of profiler.totals()) {
          times.set(label, [...(times.get(label) ?? []), totalMs]);
        }
        profiler.destroy();
      }
      const totals = new Map(
        [...times].map(([label, list]) => [label, isMin ? Math.min(...list) : median(list)]),
      );
      const sum = [...totals.values()].reduce((a, b) => a + b, 0);
      const rows = [...totals].sort(([, a], [, b]) => b - a);
      console.log(
        `\n${id}, ${steps} steps, ms a step by kernel (${isMin ? 'minimum' : 'median'} of steps); ${sum.toFixed(2)} in all`,
      );
      const cells = rows.map(([label, ms]) => [label, ms.toFixed(3), `${((100 * ms) / sum).toFixed(1)} %`]);
      for (const line of alignColumns(cells)) console.log(`  ${line}`);
    },
  };
}
