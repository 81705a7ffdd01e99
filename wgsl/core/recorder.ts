import type { BoundKernel } from './kernel.ts';
import type { Profiler } from './profiler.ts';
import type { SubmissionClock } from './submission-clock.ts';
import type { KernelTarget } from './target.ts';

/** WebGPU's limit on workgroups per dimension. */
const MAX_GROUPS = 65535;

/**
 * Workgroups for `count` items of `size` a workgroup. Beyond 65,535, WebGPU's limit per dimension, they are folded into y: the kernel
 * numbers them with `linearGroup` of `#include <grid>`.
 */
export function gridFor(count: number, size: number): [number, number, number] {
  const groups = Math.max(1, Math.ceil(count / size));
  const rows = Math.ceil(groups / MAX_GROUPS);
  return [Math.ceil(groups / rows), rows, 1];
}

/** Maximum workgroups of a looping kernel on a CPU: enough for its cores. An idle workgroup costs 10 µs there. */
const CPU_GROUPS = 64;

/** As `gridFor`, for a kernel that loops over its items: at most `maxGroups` workgroups, and at most 64 on the target `cpu`. */
export function loopingGrid(
  { target }: { target: KernelTarget },
  count: number,
  size: number,
  maxGroups: number,
): [number, number, number] {
  const groups = target === 'cpu' ? Math.min(maxGroups, CPU_GROUPS) : maxGroups;
  return gridFor(Math.min(count, size * groups), size);
}

/**
 * Records kernels and copies into one command buffer, for `Gpu.submit`; `Gpu.recorder` and `Gpu.run` create one. Each command sees
 * the writes of earlier ones. Consecutive kernels share a compute pass; with a profiler each has its own pass with
 * timestamps, under the kernel's label.
 */
export class Recorder {
  readonly #encoder: GPUCommandEncoder;
  readonly #profiler?: Profiler;
  readonly #clock?: SubmissionClock;
  readonly label: string;
  /** The buffers of the recorded commands. */
  readonly #used: (readonly GPUBuffer[])[] = [];
  #pass?: GPUComputePassEncoder;
  #pipeline?: GPUComputePipeline;

  constructor(device: GPUDevice, label: string, profiler?: Profiler, clock?: SubmissionClock) {
    this.label = label;
    this.#profiler = profiler;
    this.#clock = clock;
    this.#encoder = device.createCommandEncoder({ label });
    clock?.mark(this.#encoder);
  }

  /** Runs a bound kernel over a grid of workgroups (see `gridFor`). */
  run(bound: BoundKernel, groups: readonly [number, number?, number?] | number): this {
    const [x, y = 1, z = 1] = typeof groups === 'number' ? [groups] : groups;
    const { kernel, group, buffers } = bound;
    this.#used.push(buffers);
    if (this.#profiler) {
      const pass = this.#encoder.beginComputePass({
        label: kernel.label,
        timestampWrites: this.#profiler.span(kernel.label),
      });
      pass.setPipeline(kernel.pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(x, y, z);
      pass.end();
      return this;
    }
    if (!this.#pass) {
      this.#pass = this.#encoder.beginComputePass({ label: this.label });
      this.#pipeline = undefined;
    }
    if (this.#pipeline !== kernel.pipeline) this.#pass.setPipeline((this.#pipeline = kernel.pipeline));
    this.#pass.setBindGroup(0, group);
    this.#pass.dispatchWorkgroups(x, y, z);
    return this;
  }

  /** Copies `bytes` from one buffer to another; offsets and bytes are multiples of 4. */
  copy(from: GPUBuffer, to: GPUBuffer, bytes = from.size, fromOffset = 0, toOffset = 0): this {
    this.#endPass();
    this.#used.push([from, to]);
    this.#encoder.copyBufferToBuffer(from, fromOffset, to, toOffset, bytes);
    return this;
  }

  /** Sets `bytes` of a buffer from `offset` on to zero; both are multiples of 4. */
  clear(buffer: GPUBuffer, offset = 0, bytes = buffer.size - offset): this {
    this.#endPass();
    this.#used.push([buffer]);
    this.#encoder.clearBuffer(buffer, offset, bytes);
    return this;
  }

  /** Whether a recorded command uses a buffer. */
  uses(buffer: GPUBuffer): boolean {
    return this.#used.some((buffers) => buffers.includes(buffer));
  }

  /** Ends the recording; `Gpu.submit` calls it. */
  finish(): GPUCommandBuffer {
    this.#endPass();
    this.#clock?.mark(this.#encoder);
    this.#profiler?.resolve(this.#encoder);
    return this.#encoder.finish({ label: this.label });
  }

  #endPass(): void {
    this.#pass?.end();
    this.#pass = undefined;
  }
}
