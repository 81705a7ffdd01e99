import {
  defineKernel,
  type Gpu,
  gridFor,
  Profiler,
  type Recorder,
  SubmissionClock,
} from '../../wgsl/core/index.ts';

/** How much is measured. */
export interface Effort {
  /** Frames before anything is measured. */
  warmup: number;
  /** Frames under the profiler, one by one. */
  profiled: number;
  /** Frames of a round, and rounds on the wall clock. */
  steps: number;
  rounds: number;
}

export interface Measured {
  /** From the begin of a frame's first command to the end of its last, median over a round; null where the adapter has no timestamps. */
  gpuMs: number | null;
  /** From the end of one frame to the end of the next on the GPU, the mean of that round; null for one frame, or without timestamps. */
  intervalMs: number | null;
  /** A frame's share of a round from an idle GPU to an idle GPU, median over rounds. */
  wallMs: number;
  /** Sum of the kernels' times, each in a pass of its own, median over frames; null without timestamps. */
  kernelsMs: number | null;
  /** Median time by kernel label; all calls of a frame together. */
  kernels: Record<string, number>;
}

export function median(values: readonly number[]): number {
  if (!values.length) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/**
 * Times a frame: by the wall clock in rounds without waits between frames, on the GPU in one such round with a timestamp before
 * and behind each frame, and by kernel under the profiler, where every kernel has a pass of its own. `warm` submits work that raises
 * the GPU's clock, right before every round and every frame under the profiler.
 */
export async function measure(
  gpu: Gpu,
  frame: () => Promise<void> | void,
  { warmup, profiled, steps, rounds }: Effort,
  warm: () => void = () => {},
): Promise<Measured> {
  for (let i = 0; i < warmup; i++) await frame();
  await gpu.settle();
  const walls: number[] = [];
  for (let round = 0; round < rounds; round++) {
    warm();
    await gpu.settle();
    const start = performance.now();
    for (let i = 0; i < steps; i++) await frame();
    await gpu.settle();
    walls.push((performance.now() - start) / steps);
  }
  return {
    ...(await timeWhole(gpu, frame, steps, warm)),
    wallMs: median(walls),
    ...(await profile(gpu, frame, profiled, warm)),
  };
}

/** Frames by the GPU's own clock, recorded as they always are. */
export async function timeWhole(
  gpu: Gpu,
  frame: () => Promise<void> | void,
  steps: number,
  warm: () => void = () => {},
): Promise<Pick<Measured, 'gpuMs' | 'intervalMs'>> {
  if (!gpu.has('timestamp-query')) return { gpuMs: null, intervalMs: null };
  const clock = new SubmissionClock(gpu.device);
  const frames = Math.min(steps, SubmissionClock.CAPACITY);
  try {
    warm();
    gpu.clock = clock;
    for (let i = 0; i < frames; i++) await frame();
    const times = await clock.collect();
    if (times.length !== frames) {
      throw new Error(
        `${frames} frames made ${times.length} submissions; a frame that is measured makes one`,
      );
    }
    return {
      gpuMs: median(times.map(({ beginMs, endMs }) => endMs - beginMs)),
      intervalMs: frames > 1 ? (times[frames - 1].endMs - times[0].endMs) / (frames - 1) : null,
    };
  } finally {
    gpu.clock = undefined;
    clock.destroy();
  }
}

async function profile(
  gpu: Gpu,
  frame: () => Promise<void> | void,
  frames: number,
  warm: () => void,
): Promise<Pick<Measured, 'kernelsMs' | 'kernels'>> {
  if (!gpu.has('timestamp-query')) return { kernelsMs: null, kernels: {} };
  const profiler = new Profiler(gpu.device);
  const times = new Map<string, number[]>();
  const sums: number[] = [];
  try {
    let before = new Map<string, number>();
    // The first frame is not counted: it is recorded in another way than those before.
    for (let i = 0; i <= frames; i++) {
      gpu.profiler = undefined;
      warm();
      gpu.profiler = profiler;
      await frame();
      await profiler.collect();
      const now = new Map(profiler.totals().map(({ label, totalMs }) => [label, totalMs]));
      if (i) {
        let sum = 0;
        for (const [label, totalMs] of now) {
          const ms = totalMs - (before.get(label) ?? 0);
          times.set(label, [...(times.get(label) ?? []), ms]);
          sum += ms;
        }
        sums.push(sum);
      }
      before = now;
    }
  } finally {
    gpu.profiler = undefined;
    profiler.destroy();
  }
  const kernels = [...times].map(([label, list]) => [label, median(list)] as const);
  return {
    kernelsMs: median(sums),
    kernels: Object.fromEntries(kernels.sort(([, a], [, b]) => b - a)),
  };
}

/** Threads of a workgroup of the copy kernel. */
const COPY_SIZE = 256;
const COPY = defineKernel({
  label: 'bench/copy',
  constants: { SIZE: COPY_SIZE },
  variants: { portable: { source: new URL('./copy.wgsl', import.meta.url) } },
});

/**
 * Bytes per second that a copy reads and writes together, without the cost of its start: the faster of a plain copy kernel
 * and `copyBufferToBuffer`. On an H200 Dawn's copy command reaches a fifth of the kernel; on a CPU it is a memcpy and the
 * kernel is bound by its threads.
 */
export async function copyBandwidth(gpu: Gpu): Promise<number> {
  const isCpu = gpu.target === 'cpu';
  const { maxBufferSize, maxStorageBufferBindingSize } = gpu.device.limits;
  const bytes = Math.min((isCpu ? 16 : 512) * 2 ** 20, maxBufferSize, maxStorageBufferBindingSize);
  const arena = gpu.arena('bench/copy');
  try {
    const [from, to] = [arena.buffer('from', bytes), arena.buffer('to', bytes)];
    const kernel = await gpu.kernel(COPY);
    const bound = kernel.bind({ source: from, copied: to });
    const grid = gridFor(bytes / 16, COPY_SIZE);
    const repeats: [number, number] = isCpu ? [1, 9] : [4, 68];
    const rates = [
      await copyRate(gpu, bytes, repeats, (recorder) => recorder.run(bound, grid)),
      await copyRate(gpu, bytes, repeats, (recorder) => recorder.copy(from, to)),
    ];
    return Math.max(...rates);
  } finally {
    arena.destroy();
  }
}

/** Bytes per second of one kind of copy: the median over rounds of `many` copies, less `few`. */
async function copyRate(
  gpu: Gpu,
  bytes: number,
  [few, many]: readonly [number, number],
  copy: (recorder: Recorder) => void,
): Promise<number> {
  const time = async (copies: number) => {
    const start = performance.now();
    gpu.run('bench/copy', (recorder) => {
      for (let i = 0; i < copies; i++) copy(recorder);
    });
    await gpu.settle();
    return performance.now() - start;
  };
  await time(few);
  const rounds: number[] = [];
  for (let i = 0; i < 5; i++) {
    const short = await time(few);
    rounds.push((await time(many)) - short);
  }
  return (2 * bytes * (many - few)) / (Math.max(1e-6, median(rounds)) / 1000);
}
